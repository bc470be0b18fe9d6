import { beforeAll, describe, expect, test } from 'vitest';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { releaseBatch } from '../../src/core/tracking/claims.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { bulk, createIndex } from '../elasticsearch/support.js';
import { change, landedObjects, query, type Row } from '../end-to-end/landed.js';
import { runBinary, type Ended } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { openDatabase, trackingSettings } from '../support/tracking.js';

const keyword = { type: 'keyword' };
const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];
const MESSAGES = 7;

interface Made {
  readonly project: Project;
  /** Runs a command with this value of `on`, or none. */
  readonly run: (on: string | undefined, ...args: readonly string[]) => Promise<Ended>;
}

/** Messages with generated ids, each with one record by its `_id` and two by its `message_id`. */
async function made(layout: 'message' | 'batch'): Promise<Made> {
  const indices = freshIndexPrefix();
  const [messages, history] = [`${indices}messages`, `${indices}message_history`];
  await createIndex(messages, {
    properties: { timestamp: { type: 'date' }, message_id: keyword },
  });
  await createIndex(history, { properties: { message_id: keyword, at: { type: 'date' } } });
  const ids = Array.from({ length: MESSAGES }, (_, i) => i);
  await bulk(
    messages,
    ids.map((i) => ({
      id: `generated-${i}`,
      source: `{"timestamp":"2024-10-01T10:00:00Z"${i === 0 ? '' : `,"message_id":"m${i}"`}}`,
    })),
  );
  await bulk(
    history,
    ids.flatMap((i) => [
      { id: `a${i}`, source: `{"message_id":"generated-${i}","by":"_id"}` },
      { id: `b${i}`, source: `{"message_id":"m${i}","by":"message_id","n":1}` },
      { id: `c${i}`, source: `{"message_id":"m${i}","by":"message_id","n":2}` },
    ]),
  );
  const project = await makeProject({ indices, layout, settings: { batchSize: 3 } });
  const run = async (on: string | undefined, ...args: readonly string[]) => {
    const one = {
      index: history,
      key: 'message_id',
      probe: false,
      ...(on !== undefined && { on }),
    };
    await project.configure({ batchSize: 3, source: { related: { history: one } } });
    return runBinary(args, project);
  };
  return { project, run };
}

const json = ({ stdout, stderr }: Ended) => {
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
};

const WITH_ID = { messages: 7, records: 7, withoutRecords: 0, withoutValue: 0, unknown: 0 };
const WITH_FIELD = { messages: 7, records: 12, withoutRecords: 1, withoutValue: 1, unknown: 0 };

describe.each(['message', 'batch'] as const)('layout %s, joins that are changed', (layout) => {
  let it: Made;
  beforeAll(async () => {
    it = await made(layout);
    const first = await it.run(undefined, 'run', ...RANGE, '--json');
    expect(first.code, first.stderr).toBe(0);
    expect(json(first)).toMatchObject({ process: { related: { history: WITH_ID } } });
  });

  test('are refused by extract, process and run, and the way back is named', async () => {
    for (const args of [
      ['extract', ...RANGE],
      ['process'],
      ['process', '--job', '1'],
      ['run', ...RANGE],
    ]) {
      const ended = await it.run('message_id', ...args);
      expect(ended.code, ended.stderr).toBe(2);
      expect(ended.stderr).toContain('job 1 was begun with other joins of related records');
      expect(ended.stderr).toContain('es-migrate retry --other-joins --job 1');
    }
  });

  test('are told by verify as outdated_join, on each level, and never as changed', async () => {
    for (const level of ['counts', 'objects', 'content']) {
      const ended = await it.run('message_id', 'verify', '--level', level, '--json');
      expect(ended.code, ended.stderr).toBe(3);
      expect(json(ended)).toMatchObject({
        outdated_join: MESSAGES,
        changed: 0,
        mismatched: 0,
        missing: 0,
        ok: false,
      });
      expect(ended.stderr).toContain('es-migrate retry --other-joins');
    }
    const again = await it.run(undefined, 'verify', '--level', 'content', '--json');
    expect(json(again)).toMatchObject({ outdated_join: 0, ok: true });
  });

  test('retry --other-joins has everything made again, and nothing is left of what was before', async () => {
    const asked = await it.run('message_id', 'retry', '--other-joins', '--dry-run', '--json');
    expect(json(asked)).toMatchObject({ requeued: MESSAGES, completed: MESSAGES, dryRun: true });
    const put = await it.run('message_id', 'retry', '--other-joins', '--json');
    expect(put.code, put.stderr).toBe(0);
    expect(json(put)).toMatchObject({ requeued: MESSAGES, completed: 0, remaining: MESSAGES });
    expect(await query(it.project, 'SELECT 1 FROM related_counts')).toEqual([]);
    // Now they are the job's own, and the former ones are refused.
    expect((await it.run(undefined, 'process')).code).toBe(2);
    const processed = await it.run('message_id', 'process', '--json');
    expect(processed.code, processed.stderr).toBe(0);
    expect(json(processed)).toMatchObject({
      completed: MESSAGES,
      related: { history: WITH_FIELD },
    });
    const verified = await it.run('message_id', 'verify', '--level', 'content', '--json');
    expect(verified.code, verified.stderr).toBe(0);
    const status = await it.run('message_id', 'status', '--json');
    expect(json(status)).toMatchObject({ related: { history: WITH_FIELD } });
    const documents = [...(await landedObjects(it.project)).values()];
    if (layout === 'message') {
      expect(documents.filter((one) => one.includes('"by":"_id"'))).toEqual([]);
      expect(documents.filter((one) => one.includes('"by":"message_id","n":2'))).toHaveLength(6);
    }
    const none = await it.run('message_id', 'retry', '--other-joins', '--json');
    expect(json(none)).toMatchObject({ requeued: 0, completed: MESSAGES });
  });
});

test('a job of an earlier version takes on joins by the id, and no others once it has messages', async () => {
  const { project, run } = await made('message');
  expect((await run(undefined, 'run', ...RANGE)).code).toBe(0);
  const forget = async () => {
    await change(project, 'UPDATE job_runs SET joins_hash = NULL');
    await change(project, 'UPDATE batch_progress SET joins_hash = NULL');
    await change(project, 'DELETE FROM related_counts');
  };
  await forget();
  const unknown = { messages: 0, records: 0, withoutRecords: 0, withoutValue: 0, unknown: 7 };
  const same = await run(undefined, 'process', '--json');
  expect(same.code, same.stderr).toBe(0);
  expect(json(same)).toMatchObject({ related: { history: unknown } });
  await forget();
  const other = await run('message_id', 'process');
  expect(other.code, other.stderr).toBe(2);
  expect(other.stderr).toContain('retry --other-joins');
  const verified = await run('message_id', 'verify', '--json');
  expect(json(verified)).toMatchObject({ outdated_join: 7 });
  expect(json(await run('message_id', 'retry', '--other-joins', '--json'))).toMatchObject({
    requeued: 7,
  });
});

test('what is put back for another reason makes the counts of its batch unknown, not wrong', async () => {
  const { project, run } = await made('message');
  expect((await run('message_id', 'run', ...RANGE)).code).toBe(0);
  const [row] = await query<Row>(
    project,
    `SELECT * FROM message_tracking WHERE message_id = 'generated-1'`,
  );
  await change(
    project,
    `UPDATE message_tracking SET object_sha256 = REPEAT('x', 32) WHERE message_id = 'generated-1'`,
  );
  const repaired = await run('message_id', 'verify', '--level', 'content', '--repair', '--json');
  expect(repaired.code, repaired.stderr).toBe(3);
  const processed = await run('message_id', 'process', '--json');
  const { history } = json(processed)['related'] as { history: Record<string, number> };
  const [batch] = await query<Row>(
    project,
    `SELECT COUNT(*) AS messages FROM message_tracking WHERE batch_id = ${row?.batch_id ?? 0}`,
  );
  expect(history['unknown']).toBe(Number(batch?.['messages']) - 1);
  expect(Number(history['messages']) + Number(history['unknown'])).toBe(MESSAGES);
});

test('--other-joins is no matter of failed messages', async () => {
  const { run } = await made('message');
  const ended = await run(undefined, 'retry', '--other-joins', '--force');
  expect(ended.code).toBe(2);
  expect(ended.stderr).toContain('--other-joins is about completed messages');
});

test('a job that is done does not stop another, whose joins are those configured', async () => {
  const { project, run } = await made('message');
  expect((await run(undefined, 'run', ...RANGE)).code).toBe(0);
  const later = ['--from', '2024-10-02', '--to', '2024-10-02'];
  await bulk(await indexOf(project), [
    { id: 'later', source: '{"timestamp":"2024-10-02T10:00:00Z","message_id":"m1"}' },
  ]);
  expect((await run('message_id', 'extract', ...later)).code).toBe(0);
  const processed = await run('message_id', 'process', '--json');
  expect(processed.code, processed.stderr).toBe(0);
  expect(json(processed)).toMatchObject({ completed: 1, remaining: 0 });
  expect(processed.stderr).toContain('jobs 1 are done, with other joins');
  // Nothing of it waits now, and it is still not made with these.
  expect((await run('message_id', 'process', '--job', '1')).code).toBe(2);
});

test('a batch that is in the hands of a process with the other joins is not completed with them', async () => {
  const { project, run } = await made('message');
  expect((await run(undefined, 'extract', ...RANGE)).code).toBe(0);
  const [job] = await query<Row>(project, 'SELECT joins_hash FROM job_runs');
  const before = { hash: job?.['joins_hash'] as Buffer, names: ['history'] };
  const database = openDatabase(trackingSettings(project.database));
  try {
    const batch = await claimBatch(database, 'elsewhere:1', 300);
    if (!batch) throw new Error('there is one');
    const put = await run('message_id', 'retry', '--other-joins');
    expect(put.stderr).toContain('1 batches are held by others');
    const outcomes = batch.messages.map((message) => ({
      kind: 'failed' as const,
      message,
      stage: 'fetch' as const,
      code: 'missing',
      detail: 'made up',
    }));
    await expect(completeBatch(database, batch, outcomes, undefined, before)).rejects.toMatchObject(
      {
        kind: 'usage',
        message: expect.stringContaining('other joins') as string,
      },
    );
    await releaseBatch(database, batch);
  } finally {
    await database.close();
  }
  expect((await run('message_id', 'process')).code).toBe(0);
});

test('messages that were completed with other joins than their job has make exit code 3', async () => {
  const { project, run } = await made('message');
  expect((await run('message_id', 'run', ...RANGE)).code).toBe(0);
  await change(
    project,
    `UPDATE batch_progress SET joins_hash = REPEAT('x', 32) ORDER BY batch_id LIMIT 1`,
  );
  const ended = await run('message_id', 'process');
  expect(ended.code).toBe(3);
  expect(ended.stderr).toContain('es-migrate retry --other-joins');
});

async function indexOf(project: Project): Promise<string> {
  const [row] = await query<Row>(project, 'SELECT source_index FROM job_runs LIMIT 1');
  return String(row?.['source_index']);
}
