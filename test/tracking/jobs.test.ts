import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/core/tracking/database.js';
import { LeaseLost } from '../../src/core/tracking/heartbeat.js';
import {
  closeJob,
  findOrCreateJob,
  jobHolder,
  leaseJob,
  nextRunDate,
  unfinishedJobs,
  type JobScope,
} from '../../src/core/tracking/jobs.js';
import { uncovered, within, without } from '../../src/core/tracking/gaps.js';
import { newLease } from '../../src/core/tracking/lease.js';
import {
  closeWindow,
  openWindow,
  openWindows,
  planWindows,
} from '../../src/core/tracking/windows.js';
import { beginExtraction, clear, expireLease, freshTracking, ids, type Tracking } from '../support/tracking.js'; // prettier-ignore

const scope: JobScope = { index: 'messages', dateField: 'timestamp', filter: undefined };
const october = (from: number, to: number) => ({
  from: Date.UTC(2024, 9, from),
  to: Date.UTC(2024, 9, to),
});

let tracking: Tracking;
let database: Database;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
beforeEach(() => clear(database));
afterAll(() => tracking.drop());

const job = (changes: Partial<JobScope> = {}, interval = october(1, 2)) =>
  findOrCreateJob(database, { ...scope, ...changes }, interval, ['messages']);
const completed = async (interval: ReturnType<typeof october>) => {
  const { jobId } = await job({}, interval);
  const lease = newLease('extractor:1', 300);
  await leaseJob(database, jobId, lease);
  await closeJob(database, jobId, lease, 'completed');
};

test('a job is index, date field, filter and interval: the same four are the same job', async () => {
  const same = await Promise.all(ids(8).map(() => job()));
  expect(new Set(same.map(({ jobId }) => jobId)).size).toBe(1);
  const others = [
    await job({ index: 'Messages' }),
    await job({ index: 'messages ' }),
    await job({ dateField: 'at' }),
    await job({ filter: '{"match_all":{}}' }),
    await job({ index: 'messagest', dateField: 'imestamp' }),
    await job({}, { ...october(1, 2), from: october(1, 2).from + 1 }),
    await job({}, october(1, 3)),
  ];
  expect(new Set([...same, ...others].map(({ jobId }) => jobId)).size).toBe(1 + others.length);
});

test('of two that begin where the last one ended, up to now, the second is the first', async () => {
  const old = await job({}, october(1, 9));
  const upToNow = (to: number) =>
    findOrCreateJob(database, scope, october(1, to), ['messages'], [old.jobId]);
  const [one, other] = await Promise.all([upToNow(2), upToNow(3)]);
  expect(other).toEqual(one);
  expect(one.jobId).not.toBe(old.jobId);
  await completed(one.interval);
  expect((await upToNow(4)).jobId).not.toBe(one.jobId);
});

test('the last job that was made and completed says where the next one starts', async () => {
  expect(await nextRunDate(database, scope, Date.now())).toBeUndefined();
  await completed(october(1, 2));
  await completed(october(2, 5));
  expect(await nextRunDate(database, scope, Date.now())).toBe(october(2, 5).to);
  await completed(october(1, 2));
  expect(await nextRunDate(database, scope, Date.now())).toBe(october(2, 5).to);
  const failed = await job({}, october(5, 6));
  const lease = newLease('extractor:1', 300);
  await leaseJob(database, failed.jobId, lease);
  await closeJob(database, failed.jobId, lease, 'failed');
  expect(await nextRunDate(database, scope, Date.now())).toBe(october(2, 5).to);
  expect((await unfinishedJobs(database, scope)).map(({ jobId }) => jobId)).toEqual([failed.jobId]);
  expect(await unfinishedJobs(database, scope, october(1, 2).from)).toEqual([]);
  expect(await nextRunDate(database, { ...scope, index: 'other' }, Date.now())).toBeUndefined();
});

test('a range that reached into the future does not move the next start behind what could be read', async () => {
  const [row] = await database.rows<{ now: Date }>('SELECT NOW(3) AS now');
  const now = row?.now.getTime() ?? NaN;
  const { jobId } = await job({}, { from: now - 3_600_000, to: now + 86_400_000 });
  const lease = newLease('extractor:1', 300);
  await leaseJob(database, jobId, lease);
  await closeJob(database, jobId, lease, 'completed', 900_000);
  const next = (await nextRunDate(database, scope, Date.now())) ?? NaN;
  expect(next).toBeGreaterThanOrEqual(now - 900_000);
  // Made within the test's time limit, settled a quarter of an hour before.
  expect(next).toBeLessThanOrEqual(now - 900_000 + 120_000);
});

test('what no completed job covers is known', async () => {
  await completed(october(5, 6));
  await completed(october(1, 3));
  await completed(october(2, 4));
  await completed(october(6, 7));
  await job({}, october(4, 5));
  expect(await uncovered(database, scope, Date.now())).toEqual([october(4, 5)]);
  await completed(october(4, 5));
  expect(await uncovered(database, scope, Date.now())).toEqual([]);
});

test('a range that lies in the future moves no start, and opens no gap, whether messages were found in it or not', async () => {
  const future = { from: Date.UTC(2942, 9, 1), to: Date.UTC(2942, 9, 3) };
  await completed(future);
  expect(await nextRunDate(database, scope, Date.now())).toBeUndefined();
  await completed(october(1, 2));
  await completed({ from: future.from + 1, to: future.to });
  expect(await nextRunDate(database, scope, Date.now())).toBe(october(1, 2).to);
  // Made in advance, it is behind us at last: what lies before it is still to be read.
  expect(await nextRunDate(database, scope, future.to)).toBe(october(1, 2).to);
  expect(await uncovered(database, scope, october(1, 9).to)).toEqual([october(2, 9)]);
});

test('a job without messages opens no gap, and covers what it covers', async () => {
  await completed(october(1, 3));
  await completed(october(6, 7));
  expect(await uncovered(database, scope, Date.now())).toEqual([october(3, 6)]);
  for (const interval of [october(20, 21), october(4, 5)]) {
    const { jobId } = await job({}, interval);
    const lease = newLease('extractor:1', 300);
    await leaseJob(database, jobId, lease);
    await planWindows(database, { jobId, lease }, [{ interval, expected: 0 }]);
    await closeJob(database, jobId, lease, 'completed');
  }
  const gaps = await uncovered(database, scope, Date.now());
  expect(gaps).toEqual([october(3, 4), october(5, 6)]);
  expect(without(gaps, { from: october(3, 4).from, to: october(5, 6).from })).toEqual([
    october(5, 6),
  ]);
  expect(within(gaps, october(1, 4))).toEqual([october(3, 4)]);
});

test('the same filter laid out otherwise is the same job; blanks within its strings matter', async () => {
  const { jobId } = await job({ filter: '{"term":{"channel":"a \\" b"}}' });
  const same = await job({ filter: '{ "term": {\n  "channel" : "a \\" b" } }' });
  expect(same.jobId).toBe(jobId);
  expect((await job({ filter: '{"term":{"channel":"a \\"b"}}' })).jobId).not.toBe(jobId);
});

describe('the lease of a job', () => {
  test('goes to one of many', async () => {
    const { jobId } = await job();
    const held = await Promise.all(
      ids(8).map((owner) => leaseJob(database, jobId, newLease(owner, 300))),
    );
    expect(held.filter(Boolean)).toHaveLength(1);
  });

  test('is taken over once it has run out, and not before', async () => {
    const { jobId, lease } = await beginExtraction(database);
    const other = newLease('other:2', 300);
    expect(await leaseJob(database, jobId, other)).toBe(false);
    expect(await jobHolder(database, jobId)).toMatchObject({ owner: 'extractor:1' });
    await expireLease(database, 'job_runs', lease.token);
    expect(await leaseJob(database, jobId, other)).toBe(true);
    expect(await closeJob(database, jobId, lease, 'completed')).toBe(false);
    expect(await closeJob(database, jobId, other, 'completed')).toBe(true);
    expect(await jobHolder(database, jobId)).toBeUndefined();
  });

  test('closing twice, as after a COMMIT that went through unheard, is closing', async () => {
    const { jobId, lease } = await beginExtraction(database);
    expect(await closeJob(database, jobId, lease, 'completed')).toBe(true);
    expect(await closeJob(database, jobId, lease, 'completed')).toBe(true);
  });

  test('allows to change the job’s windows; who lost it changes none', async () => {
    const { jobId, lease } = await beginExtraction(database);
    await expireLease(database, 'job_runs', lease.token);
    await leaseJob(database, jobId, newLease('other:2', 300));
    const lost = { jobId, lease };
    const before = await openWindows(database, jobId);
    await expect(planWindows(database, lost, [])).rejects.toThrow(LeaseLost);
    await expect(
      openWindow(database, lost, 1, { pitId: 'other', expected: 7, slices: 2 }),
    ).rejects.toThrow(LeaseLost);
    await expect(closeWindow(database, lost, 1, 'completed')).rejects.toThrow(LeaseLost);
    expect(await openWindows(database, jobId)).toEqual(before);
  });
});
