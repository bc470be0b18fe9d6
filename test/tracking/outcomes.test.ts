import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import type { Database } from '../../src/core/tracking/database.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { countBatches } from '../../src/core/tracking/counters.js';
import { completeBatch, type MessageOutcome } from '../../src/core/tracking/outcomes.js';
import {
  batchRows,
  beginExtraction,
  claimed,
  clear,
  contradictions,
  freshTracking,
  ids,
  messageRows,
  outcomesOf,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;
let database: Database;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
beforeEach(() => clear(database));
afterAll(() => tracking.drop());

const batchOf = async (messages: readonly string[]): Promise<ClaimedBatch> => {
  const { store } = await beginExtraction(database, { batchSize: 10_000 });
  await store(messages);
  return claimed(database);
};
const everything = async () => [
  await batchRows(database),
  await messageRows(database),
  await database.rows('SELECT * FROM message_errors ORDER BY error_id'),
];
const ownObject = (message: ClaimedBatch['messages'][number]): MessageOutcome => ({
  kind: 'completed',
  message,
  url: `s3://bucket/messages/${message.id.toString('hex')}.json`,
  object: {
    bytes: message.id.length + 5_000_000_000,
    sha256: randomBytes(32),
    etag: message.id.length % 2 === 0 ? '5d41402abc4b2a76b9719d911017c592-3' : undefined,
    revision: 4_294_967_295 - message.id.length,
  },
});

test('one object for the batch: every message points to it', async () => {
  const batch = await batchOf(ids(5));
  const index = { bytes: 789, sha256: randomBytes(32), etag: undefined };
  const object = { bytes: 123_456, sha256: randomBytes(32), etag: 'e7'.repeat(16), index };
  expect(await completeBatch(database, batch, outcomesOf(batch), object)).toBe(true);
  expect(await batchRows(database)).toMatchObject([
    {
      status: 'completed',
      total_messages: 5,
      processed: 5,
      failed: 0,
      object_bytes: 123_456,
      object_sha256: object.sha256,
      object_etag: object.etag,
      index_bytes: 789,
      index_sha256: index.sha256,
      index_etag: null,
    },
  ]);
  for (const row of await messageRows(database)) {
    expect(row).toMatchObject({
      status: 'completed',
      s3_path: `s3://bucket/batch-${batch.batchId}`,
      attempts: 0,
      error_code: null,
      object_bytes: null,
    });
  }
  expect(await contradictions(database)).toEqual([]);
});

test('an object a message: each with its own URL, size and checksum', async () => {
  const hostile = ['a', 'A', 'a ', "'", '\\', '\0', '\u{1F600}', '"]', 'x'.repeat(512)];
  const batch = await batchOf(hostile);
  const outcomes = batch.messages.map(ownObject);
  expect(await completeBatch(database, batch, outcomes)).toBe(true);
  const wanted = outcomes.map((outcome) =>
    outcome.kind === 'completed'
      ? [
          outcome.message.id.toString(),
          outcome.url,
          outcome.object?.bytes,
          outcome.object?.sha256,
          outcome.object?.etag ?? null,
          outcome.object?.revision,
        ]
      : [],
  );
  const rows = await messageRows(database);
  expect(
    rows.map((row) => [
      row.id.toString(),
      row.s3_path,
      row.object_bytes,
      row.object_sha256,
      row.object_etag,
      row.source_revision,
    ]),
  ).toEqual(wanted);
  expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(['completed']));
  expect(await contradictions(database)).toEqual([]);
}); // prettier-ignore

describe.each([
  ['one object for the batch', false],
  ['an object a message', true],
])('%s', (_, own) => {
  test('failures count an attempt and are kept with stage, code, attempt and detail', async () => {
    const batch = await batchOf(ids(6));
    const outcomes = outcomesOf(batch, (id) => (id < 'a2' ? 'upload_failed' : undefined)).map(
      (outcome) => (own && outcome.kind === 'completed' ? ownObject(outcome.message) : outcome),
    );
    expect(await completeBatch(database, batch, outcomes)).toBe(true);
    expect(await batchRows(database)).toMatchObject([
      { status: 'failed', total_messages: 6, processed: 4, failed: 2 },
    ]);
    const failed = (await messageRows(database)).filter(({ status }) => status === 'failed');
    expect(failed.map(({ id, attempts, error_code, s3_path }) => [id.toString(), attempts, error_code, s3_path])).toEqual([
      ['a0', 1, 'upload_failed', null],
      ['a1', 1, 'upload_failed', null],
    ]); // prettier-ignore
    const errors = await database.rows('SELECT * FROM message_errors ORDER BY message_id');
    expect(errors).toMatchObject(
      ['a0', 'a1'].map((id) => ({
        message_id: Buffer.from(id),
        job_id: batch.jobId,
        batch_id: batch.batchId,
        stage: 'upload',
        code: 'upload_failed',
        attempt: 1,
        detail: 'said the server',
      })),
    );
    expect(await contradictions(database)).toEqual([]);
  });

  test('said twice, as after a COMMIT that went through unheard: yes again, and nothing doubled', async () => {
    const batch = await batchOf(ids(6));
    const outcomes = outcomesOf(batch, (id) => (id === 'a0' ? 'missing' : undefined)).map(
      (outcome) => (own && outcome.kind === 'completed' ? ownObject(outcome.message) : outcome),
    );
    expect(await completeBatch(database, batch, outcomes)).toBe(true);
    const before = await everything();
    expect(await completeBatch(database, batch, outcomes)).toBe(true);
    expect(await everything()).toEqual(before);
  });

  test('10,000 messages in one batch', async () => {
    const batch = await batchOf(ids(10_000));
    expect(batch.messages).toHaveLength(10_000);
    const outcomes = outcomesOf(batch, (id) => (id.endsWith('7') ? 'no_source' : undefined)).map(
      (outcome) => (own && outcome.kind === 'completed' ? ownObject(outcome.message) : outcome),
    );
    expect(await completeBatch(database, batch, outcomes)).toBe(true);
    expect(await batchRows(database)).toMatchObject([{ processed: 9_000, failed: 1_000 }]);
    expect(await contradictions(database)).toEqual([]);
    expect(await database.rows('SELECT 1 FROM message_errors')).toHaveLength(1_000);
  });
});

test('a batch of failures alone', async () => {
  const batch = await batchOf(ids(3));
  expect(
    await completeBatch(
      database,
      batch,
      outcomesOf(batch, () => 'missing'),
    ),
  ).toBe(true);
  expect(await batchRows(database)).toMatchObject([{ status: 'failed', processed: 0, failed: 3 }]);
  expect(await contradictions(database)).toEqual([]);
});

test('under another token: no, and nothing is changed', async () => {
  const batch = await batchOf(ids(3));
  const before = await everything();
  const other = { ...batch, lease: newLease('worker:2', 300) };
  expect(
    await completeBatch(
      database,
      other,
      outcomesOf(batch, () => 'missing'),
    ),
  ).toBe(false);
  expect(await completeBatch(database, other, outcomesOf(batch))).toBe(false);
  expect(await everything()).toEqual(before);
});

test.each([
  ['one message too few', (all: MessageOutcome[]) => all.slice(1)],
  ['one failure too few', (all: MessageOutcome[]) => all.slice(0, -1)],
])('outcomes with %s are a bug, and change nothing', async (_, spoil) => {
  const batch = await batchOf(ids(4));
  for (const own of [false, true]) {
    const outcomes = outcomesOf(batch, (id) => (id === 'a3' ? 'missing' : undefined)).map(
      (outcome) => (own && outcome.kind === 'completed' ? ownObject(outcome.message) : outcome),
    );
    const before = await everything();
    await expect(completeBatch(database, batch, spoil(outcomes))).rejects.toThrow(
      /of 4 messages claimed/,
    );
    expect(await everything()).toEqual(before);
  }
});

test('an error text of any length and content is kept, cut to fit', async () => {
  const batch = await batchOf(ids(1));
  const [message] = batch.messages;
  if (!message) throw new Error('a batch without messages');
  const detail = `'"\\\0\u{1F600}`.repeat(400);
  const failed: MessageOutcome = {
    kind: 'failed',
    message,
    stage: 'fetch',
    code: 'missing',
    detail,
  };
  expect(await completeBatch(database, batch, [failed])).toBe(true);
  const [error] = await database.rows<{ detail: string }>('SELECT detail FROM message_errors');
  expect(error?.detail.slice(0, 900)).toBe(detail.slice(0, 900));
});

describe('a batch whose counters and rows contradict each other', () => {
  const AT_ODDS = {
    kind: 'usage',
    advice: expect.stringContaining('es-migrate verify --level counts --repair') as string,
  };

  test('is not claimed where it has fewer rows than messages, nor more', async () => {
    const { store } = await beginExtraction(database, { batchSize: 10 });
    await store(ids(10));
    await database.change('UPDATE batch_progress SET total_messages = 11');
    await expect(claimed(database)).rejects.toMatchObject({
      ...AT_ODDS,
      message: expect.stringContaining('that 11 messages are unfinished, it has 10') as string,
    });
    await database.change('UPDATE batch_progress SET total_messages = 9');
    await expect(claimed(database)).rejects.toMatchObject(AT_ODDS);
    expect(await batchRows(database)).toMatchObject([{ status: 'pending', claims: 0 }]);
    expect((await messageRows(database)).every(({ status }) => status === 'pending')).toBe(true);
    await database.change('UPDATE batch_progress SET total_messages = 10');
    expect((await claimed(database)).messages).toHaveLength(10);
  });

  test.each([
    ['its counters', 'UPDATE batch_progress SET total_messages = 6'],
    ['its rows', "UPDATE message_tracking SET status = 'pending' WHERE message_id = 'more'"],
  ])('is not completed where %s say that something is left', async (_, damage) => {
    const batch = await batchOf(ids(5));
    await database.change(
      `INSERT INTO message_tracking (batch_id, message_id, index_id, status, start_date)
       SELECT batch_id, 'more', index_id, 'completed', start_date FROM message_tracking WHERE message_id = 'a0'`,
    );
    await database.change(damage);
    const before = await everything();
    await expect(completeBatch(database, batch, outcomesOf(batch))).rejects.toMatchObject({
      ...AT_ODDS,
      message: expect.stringContaining(`batch ${batch.batchId} is left as it is`) as string,
    });
    expect(await everything()).toEqual(before);
  });

  test('and was closed by an older version: what it left behind is counted', async () => {
    const batch = await batchOf(ids(5));
    await database.change(
      `UPDATE batch_progress SET status = 'completed', processed = 3 WHERE batch_id = ${batch.batchId}`,
    );
    expect(await countBatches(database)).toMatchObject({
      messages: { total: 5, pending: 0, inProgress: 2, completed: 3, failed: 0 },
      leftBehind: 2,
    });
  });
});
