import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { retry } from '../../src/core/recover/retry.js';
import type { RetryOptions } from '../../src/core/recover/types.js';
import { errors } from '../../src/core/status/errors.js';
import type { Database } from '../../src/core/tracking/database.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { connectionsTo, quietRun } from '../support/core.js';
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
  processAll,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;
let database: Database;
let on: Connections;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
  on = connectionsTo(tracking, { batchSize: 10, maxAttempts: 3 });
});
beforeEach(() => clear(database));
afterAll(() => tracking.drop());

const putBack = (changes: Partial<RetryOptions> = {}) =>
  retry(quietRun(), on, {
    jobId: undefined,
    errorCode: undefined,
    force: false,
    dryRun: false,
    ...changes,
  });
const everything = async () => [await batchRows(database), await messageRows(database)];

/** A job of 30 messages in batches of 10, of which every third failed `upload_failed` and every tenth is `missing`. */
const failing = (id: string) => {
  const number = Number(id.slice(1));
  if (number % 10 === 0) return 'missing';
  return number % 3 === 0 ? 'upload_failed' : undefined;
};
const processed = async (day = 1, prefix = 'a') => {
  const { jobId, store } = await beginExtraction(database, { day });
  await store(ids(30, prefix));
  await processAll(database, failing);
  return jobId;
};

test('retriable failures go back, in new batches; permanent ones stay', async () => {
  await processed();
  const outcome = await putBack();
  expect(outcome).toEqual({
    requeued: 9,
    acceptancesEnded: 0,
    reasons: [{ code: 'upload_failed', messages: 9 }],
    left: 3,
    accepted: 0,
    remaining: 9,
    completed: 18,
  });
  const batches = await batchRows(database);
  expect(batches.map(({ status, total_messages, claims }) => [status, total_messages, claims])).toEqual([
    ['failed', 7, 1],
    ['failed', 7, 1],
    ['failed', 7, 1],
    ['pending', 9, 0],
  ]);
  const pending = (await messageRows(database)).filter(({ status }) => status === 'pending');
  expect(pending.map(({ id }) => id.toString()).sort()).toEqual(
    ids(30).filter((id) => failing(id) === 'upload_failed').sort(),
  );
  for (const row of pending) expect(row).toMatchObject({ attempts: 1, error_code: 'upload_failed' });
  expect(await contradictions(database)).toEqual([]);
  expect(await putBack()).toMatchObject({ requeued: 0, reasons: [], left: 3 });
}); // prettier-ignore

test('until their attempts are used up; --force starts over', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(4));
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await processAll(database, () => 'upload_failed');
    for (const row of await messageRows(database)) expect(row.attempts).toBe(attempt);
    expect(await putBack()).toMatchObject(
      attempt < 3 ? { requeued: 4, left: 0 } : { requeued: 0, left: 4 },
    );
  }
  expect(await putBack({ errorCode: 'upload_failed' })).toMatchObject({ requeued: 0, left: 4 });
  expect(await putBack({ force: true })).toMatchObject({ requeued: 4, left: 0 });
  for (const row of await messageRows(database)) expect(row).toMatchObject({ attempts: 0, status: 'pending' });
  // What became of it before is still told.
  expect(await database.rows('SELECT 1 FROM message_errors')).toHaveLength(12);
  await processAll(database);
  for (const row of await messageRows(database)) expect(row).toMatchObject({ status: 'completed', error_code: null });
  expect(await contradictions(database)).toEqual([]);
}); // prettier-ignore

test('--error takes that code alone, permanent or not; with --force too', async () => {
  await processed();
  expect(await putBack({ errorCode: 'missing' })).toMatchObject({ requeued: 3, left: 9 });
  expect(await putBack({ errorCode: 'no_source' })).toMatchObject({ requeued: 0, left: 9 });
  expect(await putBack({ errorCode: "'; DROP TABLE job_runs; --" })).toMatchObject({ requeued: 0 });
  expect(await putBack({ errorCode: 'upload_failed', force: true })).toMatchObject({
    requeued: 9,
    left: 0,
  });
  expect(await contradictions(database)).toEqual([]);
});

test('--job takes that job alone, and counts it alone', async () => {
  const one = await processed(1, 'a');
  const two = await processed(2, 'b');
  expect(await putBack({ jobId: two, force: true })).toMatchObject({
    requeued: 12,
    left: 0,
    remaining: 12,
    completed: 18,
  });
  const pending = (await batchRows(database)).filter(({ status }) => status === 'pending');
  expect(pending.map(({ job_id, total_messages }) => [job_id, total_messages])).toEqual([
    [two, 10],
    [two, 2],
  ]);
  expect(await putBack({ jobId: one, dryRun: true, force: true })).toMatchObject({ requeued: 12 });
  expect(await contradictions(database)).toEqual([]);
});

test.each<Partial<RetryOptions>>([
  {},
  { force: true },
  { errorCode: 'missing' },
  { errorCode: 'upload_failed', force: true },
])('--dry-run %o says what it would do, and changes nothing', async (options) => {
  await processed();
  const before = await everything();
  const dry = await putBack({ ...options, dryRun: true });
  expect(await everything()).toEqual(before);
  const real = await putBack(options);
  expect(real.requeued).toBeGreaterThan(0);
  expect({ requeued: dry.requeued, reasons: dry.reasons, left: dry.left }).toEqual({
    requeued: real.requeued,
    reasons: real.reasons,
    left: real.left,
  });
});

test('batches that lose their last message go', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(25));
  await processAll(database, (id) => (id < 'a2' ? 'upload_failed' : undefined));
  const before = (await batchRows(database)).length;
  expect(await putBack()).toMatchObject({ requeued: 12 });
  const batches = await batchRows(database);
  expect(batches.every(({ total_messages }) => total_messages > 0)).toBe(true);
  expect(batches).toHaveLength(before - 1 + 2);
  expect(await contradictions(database)).toEqual([]);
});

test('thousands of failures in many batches go back in batches of batchSize', async () => {
  const { store } = await beginExtraction(database, { batchSize: 40 });
  await store(ids(4_800));
  await processAll(database, (id) => (id.endsWith('7') ? undefined : 'upload_failed'));
  const scope = { force: false, maxAttempts: 3 };
  expect(await requeueFailed(database, scope, 100)).toBe(4_320);
  const pending = (await batchRows(database)).filter(({ status }) => status === 'pending');
  expect(pending.reduce((sum, { total_messages }) => sum + total_messages, 0)).toBe(4_320);
  expect(Math.max(...pending.map(({ total_messages }) => total_messages))).toBe(100);
  expect(await contradictions(database)).toEqual([]);
});

test('one batch of 10,000 failures', async () => {
  const { store } = await beginExtraction(database, { batchSize: 10_000 });
  await store(ids(10_000));
  await processAll(database, () => 'upload_failed');
  expect(await requeueFailed(database, { force: false, maxAttempts: 3 }, 10_000)).toBe(10_000);
  expect(await batchRows(database)).toMatchObject([{ status: 'pending', total_messages: 10_000 }]);
  expect(await contradictions(database)).toEqual([]);
});

test('by several at once nothing is put back twice, and nothing is passed over', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(600));
  await processAll(database, () => 'upload_failed');
  const scope = { force: false, maxAttempts: 3 };
  const counts = await Promise.all([1, 2, 3, 4].map(() => requeueFailed(database, scope, 10)));
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(600);
  expect(await database.rows("SELECT 1 FROM message_tracking WHERE status = 'failed'")).toEqual([]);
  expect(await contradictions(database)).toEqual([]);
});

test('while batches are being claimed and completed, counters stay exact', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(300));
  await processAll(database, () => 'upload_failed');
  let working = true;
  const workers = [1, 2].map(async () => {
    while (working) await processAll(database);
  });
  const requeued = await requeueFailed(database, { force: false, maxAttempts: 3 }, 7);
  working = false;
  await Promise.all(workers);
  await processAll(database);
  expect(requeued).toBe(300);
  for (const row of await messageRows(database)) expect(row.status).toBe('completed');
  expect(await contradictions(database)).toEqual([]);
});

describe('errors', () => {
  test('by code, most frequent first, then message by message with the last error', async () => {
    const jobId = await processed();
    const report = await errors(quietRun(), on, { limit: 100 });
    expect(report.byCode).toEqual([
      { code: 'upload_failed', messages: 9, accepted: 0, permanent: false },
      { code: 'missing', messages: 3, accepted: 0, permanent: true },
    ]);
    expect(report.truncated).toBe(false);
    expect(report.messages.map(({ messageId }) => messageId).sort()).toEqual(
      ids(30)
        .filter((id) => failing(id))
        .sort(),
    );
    expect(report.messages[0]).toMatchObject({
      messageId: 'a0',
      index: 'messages',
      jobId,
      stage: 'upload',
      code: 'missing',
      attempt: 1,
      detail: 'said the server',
    });
    expect(Math.abs((report.messages[0]?.at.getTime() ?? 0) - Date.now())).toBeLessThan(3_600_000);
  });

  test('of one job, up to a limit', async () => {
    await processed(1, 'a');
    const two = await processed(2, 'b');
    const report = await errors(quietRun(), on, { jobId: two, limit: 4 });
    expect(report.messages.map(({ jobId }) => jobId)).toEqual([two, two, two, two]);
    expect(report.truncated).toBe(true);
    expect(report.byCode.map(({ messages }) => messages)).toEqual([9, 3]);
  });

  test('the last of several attempts is told; messages put back are no longer listed', async () => {
    const { store } = await beginExtraction(database);
    await store(ids(1));
    await processAll(database, () => 'upload_failed');
    await putBack();
    expect(await errors(quietRun(), on, { limit: 10 })).toEqual({
      byCode: [],
      messages: [],
      truncated: false,
    });
    const batch = await claimed(database);
    await completeBatch(
      database,
      batch,
      outcomesOf(batch, () => 'no_source'),
    );
    const { messages } = await errors(quietRun(), on, { limit: 10 });
    expect(messages).toMatchObject([{ messageId: 'a0', code: 'no_source', attempt: 2 }]);
  });
});

test('told to stop, it puts nothing more back', async () => {
  await processed();
  const before = await everything();
  const options = { jobId: undefined, errorCode: undefined, force: false, dryRun: false };
  const stop = AbortSignal.abort(new Error('stopped by the test'));
  const outcome = await retry(quietRun(undefined, stop), on, options);
  expect(outcome).toMatchObject({ requeued: 0 });
  expect(outcome.notReached).toBeGreaterThan(0);
  expect(await everything()).toEqual(before);
});
