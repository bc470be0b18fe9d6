import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { Requeue } from '../../src/core/process/requeue.js';
import { accept } from '../../src/core/recover/accept.js';
import { retry } from '../../src/core/recover/retry.js';
import type { AcceptOptions, RetryOptions } from '../../src/core/recover/types.js';
import { errors } from '../../src/core/status/errors.js';
import { status } from '../../src/core/status/status.js';
import { acceptFailed } from '../../src/core/tracking/acceptances.js';
import type { Database } from '../../src/core/tracking/database.js';
import { countFailedWindows } from '../../src/core/tracking/counters.js';
import { closeJob } from '../../src/core/tracking/jobs.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { onlyJobs } from '../../src/core/tracking/scope.js';
import {
  closeWindow,
  openWindow,
  openWindows,
  planWindows,
} from '../../src/core/tracking/windows.js';
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

const BY = 'anna@desk';
const GONE = { reason: 'deleted on request', by: BY };
const settle = (options: Partial<AcceptOptions> = {}) =>
  accept(quietRun(), on, {
    jobId: undefined,
    windowId: undefined,
    errorCode: undefined,
    messageId: undefined,
    reason: GONE.reason,
    by: BY,
    dryRun: false,
    ...options,
  });
const putBack = (options: Partial<RetryOptions> = {}) =>
  retry(quietRun(), on, {
    jobId: undefined,
    errorCode: undefined,
    force: false,
    dryRun: false,
    ...options,
  });
const counts = async (jobId?: number) => (await status(quietRun(), on, { jobId })).messages;
const everything = async () => [
  await batchRows(database),
  await messageRows(database),
  await database.rows('SELECT * FROM acceptances'),
  await database.rows('SELECT * FROM accepted_failures'),
];

/** Of 30 messages in batches of 10, every third fails `upload_failed` and every tenth is `missing`. */
const failing = (id: string) => {
  const number = Number(id.slice(1));
  if (number % 10 === 0) return 'missing';
  return number % 3 === 0 ? 'upload_failed' : undefined;
};
const processed = async (day = 1, prefix = 'a') => {
  const { jobId, store, lease } = await beginExtraction(database, { day });
  await store(ids(30, prefix));
  await processAll(database, failing);
  await database.change(
    "UPDATE job_runs SET status = 'completed', next_run_date = end_date, lease_token = NULL, lease_expires_at = NULL WHERE lease_token = ?",
    [lease.token],
  );
  return jobId;
};

test('those of one code are settled: still failed, listed apart, with who, when and why', async () => {
  const jobId = await processed();
  expect(await settle({ errorCode: 'missing' })).toEqual({
    byCode: [{ code: 'missing', messages: 3 }],
    accepted: 3,
    acceptedBefore: 0,
    windows: 0,
    windowsBefore: 0,
    failed: 12,
    acceptedInAll: 3,
  });
  expect(await counts()).toMatchObject({ total: 30, completed: 18, failed: 12, accepted: 3 });
  expect(await contradictions(database)).toEqual([]);
  const { byCode, messages } = await errors(quietRun(), on, { limit: 100 });
  expect(byCode).toEqual([
    { code: 'upload_failed', messages: 9, accepted: 0, permanent: false },
    { code: 'missing', messages: 3, accepted: 3, permanent: true },
  ]);
  expect(messages.map(({ code, accepted }) => [code, accepted?.by])).toEqual([
    ...Array.from({ length: 9 }, () => ['upload_failed', undefined]),
    ...Array.from({ length: 3 }, () => ['missing', BY]),
  ]);
  const settled = messages.at(-1);
  expect(settled).toMatchObject({
    jobId,
    attempt: 1,
    detail: 'said the server',
    accepted: { reason: GONE.reason },
  });
  const [now] = await database.rows<{ now: Date }>('SELECT NOW(3) AS now');
  expect(settled?.accepted?.at.getTime()).toBeLessThanOrEqual(now?.now.getTime() ?? 0);
  expect(await database.rows('SELECT job_id, attempt, code FROM accepted_failures')).toEqual(
    Array.from({ length: 3 }, () => ({ job_id: jobId, attempt: 1, code: 'missing' })),
  );
  const { jobs } = await status(quietRun(), on, {});
  expect(jobs).toMatchObject([{ state: 'done', messages: { failed: 12, accepted: 3 } }]);
});

test('nothing tries them again by itself', async () => {
  await processed();
  await settle({ errorCode: 'upload_failed' });
  const before = await everything();
  const requeue = new Requeue(quietRun(), on, {});
  await requeue.now();
  expect(requeue.requeued).toBe(0);
  expect(await putBack()).toMatchObject({
    requeued: 0,
    acceptancesEnded: 0,
    left: 12,
    accepted: 9,
  });
  expect(await putBack({ dryRun: true })).toMatchObject({ requeued: 0, reasons: [] });
  expect(await everything()).toEqual(before);
});

test.each<[string, Partial<RetryOptions>, number, number]>([
  ['--error', { errorCode: 'missing' }, 3, 3],
  ['--force', { force: true }, 12, 3],
  ['--id', { messageId: 'a10' }, 1, 1],
])('retry %s ends it, and says so', async (_, options, requeued, acceptancesEnded) => {
  await processed();
  await settle({ errorCode: 'missing' });
  const expected = { requeued, acceptancesEnded, left: 12 - requeued, accepted: 3 - acceptancesEnded };
  expect(await putBack({ ...options, dryRun: true })).toMatchObject(expected);
  expect(await putBack(options)).toMatchObject(expected);
  expect(await counts()).toMatchObject({ failed: 12 - requeued, accepted: 3 - acceptancesEnded });
  expect(await contradictions(database)).toEqual([]);
  // What fails now is another failure, though message and code are the same.
  await processAll(database, failing);
  expect(await counts()).toMatchObject({ failed: 12, accepted: 3 - acceptancesEnded });
}); // prettier-ignore

test('a later failure with another code is not accepted; completion leaves nothing of it', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(2));
  await processAll(database, () => 'missing');
  await settle({ errorCode: 'missing' });
  await putBack({ errorCode: 'missing' });
  const batch = await claimed(database);
  await completeBatch(
    database,
    batch,
    outcomesOf(batch, (id) => (id === 'a0' ? 'too_large' : undefined)),
  );
  expect(await counts()).toMatchObject({ completed: 1, failed: 1, accepted: 0 });
  const { messages } = await errors(quietRun(), on, { limit: 10 });
  expect(messages).toMatchObject([{ code: 'too_large', attempt: 2, accepted: null }]);
  // The record of what was accepted stays.
  expect(await database.rows('SELECT attempt, code FROM accepted_failures')).toEqual([
    { attempt: 1, code: 'missing' },
    { attempt: 1, code: 'missing' },
  ]);
});

test('--error covers what is failed now, not what fails later', async () => {
  await processed(1, 'a');
  await settle({ errorCode: 'missing' });
  await processed(2, 'b');
  expect(await counts()).toMatchObject({ failed: 24, accepted: 3 });
  expect(await settle({ errorCode: 'missing' })).toMatchObject({ accepted: 3, acceptedBefore: 3 });
  expect(await counts()).toMatchObject({ failed: 24, accepted: 6 });
});

test('--job takes that job alone, --id that message alone', async () => {
  await processed(1, 'a');
  const two = await processed(2, 'b');
  expect(await settle({ jobId: two, errorCode: 'missing' })).toMatchObject({ accepted: 3, failed: 12 });
  expect(await settle({ messageId: 'a3' })).toMatchObject({
    byCode: [{ code: 'upload_failed', messages: 1 }],
  });
  expect(await settle({ jobId: two })).toMatchObject({ accepted: 9, acceptedBefore: 3 });
  expect(await counts()).toMatchObject({ failed: 24, accepted: 13 });
  expect(await contradictions(database)).toEqual([]);
}); // prettier-ignore

test('retry --id puts one back, permanent and without attempts left, attempts unchanged', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(3));
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await processAll(database, () => 'upload_failed');
    await putBack();
  }
  expect(await putBack({ messageId: 'a1' })).toMatchObject({ requeued: 1, left: 2 });
  const pending = (await messageRows(database)).filter((row) => row.status === 'pending');
  expect(pending.map(({ id, attempts }) => [id.toString(), attempts])).toEqual([['a1', 3]]);
});

test('one whose batch waits for other messages of it is refused with what to do, by accept and retry', async () => {
  await processed();
  const [row] = await database.rows<{ batch_id: number }>(
    "SELECT batch_id FROM message_tracking WHERE message_id = 'a0'",
  );
  const batchId = row?.batch_id ?? 0;
  // As verify --repair leaves it.
  await database.change(
    `UPDATE message_tracking SET status = 'pending', s3_path = NULL WHERE batch_id = ? AND status = 'completed' LIMIT 1`,
    [batchId],
  );
  await database.change(
    `UPDATE batch_progress SET status = 'pending', processed = processed - 1, completed_at = NULL WHERE batch_id = ?`,
    [batchId],
  );
  const before = await everything();
  const refusal = {
    kind: 'usage',
    message: `message "a0" is failed, but its batch ${batchId} is pending: other messages of it are to be processed`,
    advice: 'Run es-migrate process first.',
  };
  await expect(settle({ messageId: 'a0' })).rejects.toMatchObject(refusal);
  await expect(putBack({ messageId: 'a0' })).rejects.toMatchObject(refusal);
  await expect(putBack({ messageId: 'a0', errorCode: 'missing' })).rejects.toMatchObject(refusal);
  expect(await everything()).toEqual(before);
  await processAll(database, failing);
  expect(await settle({ messageId: 'a0' })).toMatchObject({ accepted: 1 });
});

test('--dry-run says what it would do, and changes nothing', async () => {
  await processed();
  const before = await everything();
  const dry = await settle({ jobId: undefined, errorCode: 'missing', reason: undefined, dryRun: true });
  expect(dry).toMatchObject({ byCode: [{ code: 'missing', messages: 3 }], acceptedInAll: 3 });
  expect(await everything()).toEqual(before);
}); // prettier-ignore

describe('what is wrong is said in one line, and nothing is touched', () => {
  test.each<[string, Partial<AcceptOptions>, string]>([
    ['no selector', {}, 'nothing says which failures are accepted'],
    ['no reason', { errorCode: 'missing', reason: undefined }, 'no reason is given'],
    ['a blank reason', { errorCode: 'missing', reason: ' \n\t ' }, 'no reason is given'],
    ['a long reason', { errorCode: 'missing', reason: 'x'.repeat(1001) }, 'the reason has 1001 characters'],
    ['an unknown job', { jobId: 4711 }, 'there is no job 4711'],
    ['an unknown code', { errorCode: "x'; DROP TABLE job_runs" }, `no message failed with "x'; DROP TABLE job_runs"`],
    ['an unknown id', { messageId: 'nobody' }, 'message "nobody" is not tracked by any job'],
    ['a completed message', { messageId: 'a1' }, 'message "a1" is completed, not failed'],
    ['another code', { messageId: 'a3', errorCode: 'missing' }, 'message "a3" failed with upload_failed, not with "missing"'],
    ['a window without a job', { windowId: 1 }, 'a window belongs to a job'],
  ])('%s', async (_, options, message) => {
    await processed();
    const before = await everything();
    await expect(settle(options)).rejects.toMatchObject({ kind: 'usage', message });
    expect(await everything()).toEqual(before);
  }); // prettier-ignore

  test('an id, a code or a window of another job', async () => {
    const one = await processed(1, 'a');
    const two = await processed(2, 'b');
    const refused = (options: Partial<AcceptOptions>) => expect(settle(options)).rejects;
    await refused({ jobId: two, messageId: 'a3' }).toMatchObject({
      message: `message "a3" is tracked by job ${one}, not by job ${two}`,
    });
    await refused({ jobId: two, errorCode: 'no_source' }).toMatchObject({
      message: `no message of job ${two} failed with "no_source"`,
      advice: 'Messages failed with "upload_failed", "missing".',
    });
    await refused({ jobId: two, windowId: 9 }).toMatchObject({
      message: `job ${two} has no window 9`,
    });
    await refused({ jobId: two, windowId: 1 }).toMatchObject({
      message: `window 1 of job ${two} is reading, not failed`,
    });
    await expect(putBack({ messageId: 'a1' })).rejects.toMatchObject({
      kind: 'usage',
      message: 'message "a1" is completed, not failed',
    });
  });
});

describe('several at once', () => {
  test('two operators: each failure is accepted once, and both are told so', async () => {
    const { store } = await beginExtraction(database);
    await store(ids(600));
    await processAll(database, () => 'missing');
    const both = await Promise.all([1, 2, 3].map(() => settle({ errorCode: 'missing' })));
    expect(both.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(600);
    expect(await counts()).toMatchObject({ failed: 600, accepted: 600 });
    expect(await database.rows('SELECT 1 FROM accepted_failures')).toHaveLength(600);
    expect(await contradictions(database)).toEqual([]);
    expect(await settle({ errorCode: 'missing' })).toMatchObject({ accepted: 0, acceptedBefore: 600 });
  }); // prettier-ignore

  test('beside a requeue, each message goes one way, and counters stay exact', async () => {
    const { store } = await beginExtraction(database);
    await store(ids(600));
    await processAll(database, () => 'upload_failed');
    const [requeued, accepted] = await Promise.all([
      requeueFailed(database, { force: false, maxAttempts: 3 }, 7),
      acceptFailed(database, {}, GONE, 7),
    ]);
    const settled = accepted.reduce((sum, { messages }) => sum + messages, 0);
    expect(requeued + settled).toBe(600);
    expect(await counts()).toMatchObject({ pending: requeued, failed: settled, accepted: settled });
    expect(await contradictions(database)).toEqual([]);
  });

  test('told to stop, it accepts nothing more', async () => {
    await processed();
    const before = await everything();
    const stop = AbortSignal.abort(new Error('stopped by the test'));
    const outcome = await accept(quietRun(undefined, stop), on, {
      jobId: undefined,
      windowId: undefined,
      errorCode: 'missing',
      messageId: undefined,
      ...GONE,
      dryRun: false,
    });
    expect(outcome).toMatchObject({ accepted: 0 });
    expect(outcome.notReached).toBeGreaterThan(0);
    expect(await everything()).toEqual(before);
  });
});

describe('beside processes of the version before, which know nothing of acceptances', () => {
  /** Puts failed messages back as that version does: whatever batch they are in. */
  const requeueBefore = async () => {
    const batches = await database.rows<{ batch_id: number; job_id: number; failed: number }>(
      "SELECT batch_id, job_id, failed FROM batch_progress WHERE status = 'failed'",
    );
    for (const { batch_id, job_id, failed } of batches) {
      const { insertId } = await database.change(
        'INSERT INTO batch_progress (job_id, total_messages) VALUES (?, ?)',
        [job_id, failed],
      );
      await database.change(
        "UPDATE message_tracking SET batch_id = ?, status = 'pending', attempts = attempts WHERE batch_id = ? AND status = 'failed'",
        [insertId, batch_id],
      );
      await database.change(
        `UPDATE batch_progress SET total_messages = total_messages - ?, failed = failed - ?,
                status = IF(failed = 0, 'completed', 'failed') WHERE batch_id = ?`,
        [failed, failed, batch_id],
      );
    }
    await database.change('DELETE FROM batch_progress WHERE total_messages = 0');
  };

  test('what they put back is no longer accepted, and no counter is wrong', async () => {
    await processed();
    await settle({ errorCode: 'upload_failed' });
    await requeueBefore();
    expect(await counts()).toMatchObject({ pending: 12, failed: 0, accepted: 0 });
    expect(await contradictions(database)).toEqual([]);
    await processAll(database, failing);
    expect(await counts()).toMatchObject({ failed: 12, accepted: 0 });
  });

  test('nor is what fails in a batch that was accepted and has been claimed since', async () => {
    await processed();
    await settle({ errorCode: 'missing' });
    // As a repair of damaged rows leaves it.
    await database.change(
      "UPDATE message_tracking t JOIN batch_progress b USING (batch_id) SET t.status = 'pending' WHERE b.acceptance_id IS NOT NULL",
    );
    await database.change(
      "UPDATE batch_progress SET status = 'pending', failed = 0 WHERE acceptance_id IS NOT NULL",
    );
    await processAll(database, () => 'too_large');
    expect(await counts()).toMatchObject({ failed: 12, accepted: 0 });
    expect(await contradictions(database)).toEqual([]);
  });
});

describe('windows', () => {
  /** A job whose three windows were read, but for those of these numbers. */
  const unread = async (...failed: number[]) => {
    const { jobId, lease } = await beginExtraction(database);
    const job = { jobId, lease };
    const cut = (from: number, to: number) => ({
      interval: { from: Date.UTC(2024, 9, 1, from), to: Date.UTC(2024, 9, 1, to) },
      expected: 5,
    });
    await planWindows(database, job, [cut(0, 8), cut(8, 16), cut(16, 24)]);
    for (const window of [1, 2, 3]) {
      await openWindow(database, job, window, { pitId: 'p', expected: 5, slices: 1 });
      const status = failed.includes(window) ? 'failed' : 'completed';
      await closeWindow(database, job, window, status, 'read 4 messages where it counts 5');
    }
    await closeJob(database, jobId, lease, failed.length > 0 ? 'failed' : 'completed');
    return job;
  };
  const jobOf = async (jobId: number) =>
    (await status(quietRun(), on, { jobId })).jobs[0]?.failedWindows ?? [];
  const open = (jobId: number) => countFailedWindows(database, onlyJobs([jobId]));

  test('one that is accepted is no failure any more; the last one completes the extraction', async () => {
    const { jobId } = await unread(1, 3);
    expect(await settle({ jobId, windowId: 1 })).toMatchObject({ windows: 1, accepted: 0 });
    expect(await open(jobId)).toBe(1);
    expect(await settle({ jobId, windowId: 1 })).toMatchObject({ windows: 0, windowsBefore: 1 });
    expect(await database.rows('SELECT status, next_run_date FROM job_runs')).toEqual([
      { status: 'failed', next_run_date: null },
    ]);
    // Those that are accepted are not read again by the way.
    const left = await openWindows(database, jobId);
    expect(left.windows.map(({ windowId }) => windowId)).toEqual([3]);
    expect(await settle({ jobId, windowId: 3, reason: 'its shard is lost' })).toMatchObject({
      windows: 1,
    });
    expect(await open(jobId)).toBe(0);
    expect(await database.rows('SELECT status, next_run_date FROM job_runs')).toEqual([
      { status: 'completed', next_run_date: new Date('2024-10-02') },
    ]);
    expect(await jobOf(jobId)).toMatchObject([
      { windowId: 1, accepted: { by: BY, reason: GONE.reason } },
      { windowId: 3, accepted: { by: BY, reason: 'its shard is lost' } },
    ]);
  });

  test('a dry run, and what has not failed', async () => {
    const { jobId } = await unread(2);
    const before = await database.rows('SELECT * FROM extract_windows');
    expect(await settle({ jobId, windowId: 2, dryRun: true })).toMatchObject({ windows: 1 });
    await expect(settle({ jobId, windowId: 1 })).rejects.toMatchObject({
      kind: 'usage',
      message: `window 1 of job ${jobId} is completed, not failed`,
    });
    await expect(settle({ jobId, windowId: 2, errorCode: 'missing' })).rejects.toMatchObject({
      kind: 'usage',
    });
    expect(await database.rows('SELECT * FROM extract_windows')).toEqual(before);
    expect(await database.rows('SELECT 1 FROM acceptances')).toEqual([]);
  });

  test('one that is read again is no longer accepted, whatever comes of it', async () => {
    const { jobId } = await unread(2);
    await settle({ jobId, windowId: 2 });
    const lease = newLease('extractor:2', 300);
    await database.change('UPDATE job_runs SET lease_token = ? WHERE job_id = ?', [
      lease.token,
      jobId,
    ]);
    const job = { jobId, lease };
    await openWindow(database, job, 2, { pitId: 'p', expected: 5, slices: 1 });
    await closeWindow(database, job, 2, 'failed', 'read 4 messages where it counts 5');
    expect(await open(jobId)).toBe(1);
    expect(await jobOf(jobId)).toMatchObject([{ windowId: 2, accepted: null }]);
  });

  test('nor is one that the version before has read again, and failed at in the same way', async () => {
    const { jobId } = await unread(2);
    await settle({ jobId, windowId: 2 });
    await database.change(
      `UPDATE extract_windows SET status = 'reading', pit_id = 'p', expected = 5, read_messages = 0, duplicates = 0,
              reason = NULL WHERE job_id = ? AND window_id = 2`,
      [jobId],
    );
    await database.change(
      `UPDATE extract_windows SET status = 'failed', reason = 'read 4 messages where it counts 5', pit_id = NULL
       WHERE job_id = ? AND window_id = 2`,
      [jobId],
    );
    expect(await open(jobId)).toBe(1);
    expect(await settle({ jobId, windowId: 2 })).toMatchObject({ windows: 1 });
    expect(await open(jobId)).toBe(0);
  });

  test('two operators at once: one of them has accepted it', async () => {
    const { jobId } = await unread(2);
    const both = await Promise.all([1, 2, 3].map(() => settle({ jobId, windowId: 2 })));
    expect(both.map(({ windows }) => windows).sort()).toEqual([0, 0, 1]);
    expect(await database.rows('SELECT 1 FROM acceptances')).toHaveLength(1);
  });
});
