import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { status } from '../../src/core/status/status.js';
import { UploadLimit } from '../../src/core/process/upload-limit.js';
import { UploadNotice } from '../../src/core/process/upload-notice.js';
import type { Database } from '../../src/core/tracking/database.js';
import { findMessages } from '../../src/core/tracking/lookup.js';
import { announceLimit, withdrawLimit } from '../../src/core/tracking/source-limits.js';
import { announceUploads, withdrawUploads } from '../../src/core/tracking/upload-limits.js';
import { closeWindow } from '../../src/core/tracking/windows.js';
import { closeJob } from '../../src/core/tracking/jobs.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { until } from '../support/until.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  beginExtraction,
  claimed,
  clear,
  expireLease,
  freshTracking,
  ids,
  outcomesOf,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;
let database: Database;
let on: Connections;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
  on = connectionsTo(tracking);
});
beforeEach(() => clear(database));
afterAll(() => tracking.drop());

const look = (jobId?: number) => status(quietRun(), on, { jobId });

test('of an empty database', async () => {
  const none = { total: 0, pending: 0, inProgress: 0, completed: 0, failed: 0, accepted: 0 };
  expect(await look()).toEqual({
    jobs: [],
    messages: none,
    batches: none,
    stuck: 0,
    throttled: [],
    uploading: [],
    related: {},
    messagesPerSecond: null,
    secondsLeft: null,
  });
});

test('messages and batches by status, of all jobs and of one', async () => {
  const one = await beginExtraction(database, { day: 1 });
  const two = await beginExtraction(database, { day: 2 });
  await one.store(ids(25, 'a'));
  await two.store([...ids(10, 'b'), 'a1']);
  const [done, held] = [await claimed(database), await claimed(database)];
  await completeBatch(
    database,
    done,
    outcomesOf(done, (id) => (id === 'a3' ? 'missing' : undefined)),
  );
  const report = await look();
  expect(report.messages).toEqual({
    total: 35,
    pending: 15,
    inProgress: 10,
    completed: 9,
    failed: 1,
    accepted: 0,
  });
  expect(report.batches).toEqual({
    total: 4,
    pending: 2,
    inProgress: 1,
    completed: 0,
    failed: 1,
    accepted: 0,
  });
  expect(report.jobs).toMatchObject([
    {
      jobId: one.jobId,
      from: new Date('2024-10-01'),
      to: new Date('2024-10-02'),
      status: 'running',
      expected: 1,
      extracted: 25,
      duplicates: 0,
      messages: { total: 25, pending: 5, inProgress: 10, completed: 9, failed: 1 },
      state: 'extracting',
      failedWindows: [],
    },
    { jobId: two.jobId, extracted: 10, duplicates: 1, messages: { total: 10, pending: 10 } },
  ]);
  expect(report.messagesPerSecond).toBeGreaterThan(0);
  expect(report.secondsLeft).toBeGreaterThanOrEqual(0);
  const ofTwo = await look(two.jobId);
  expect(ofTwo.jobs.map(({ jobId }) => jobId)).toEqual([two.jobId]);
  expect(ofTwo.messages).toEqual({
    total: 10,
    pending: 10,
    inProgress: 0,
    completed: 0,
    failed: 0,
    accepted: 0,
  });
  expect(ofTwo.batches).toMatchObject({ total: 1, pending: 1 });
  await expect(look(4711)).rejects.toMatchObject({
    kind: 'usage',
    message: 'there is no job 4711',
  });
  // What is held lives; then it does not.
  expect(report.stuck).toBe(0);
  await expireLease(database, 'batch_progress', held.lease.token);
  await expireLease(database, 'job_runs', two.lease.token);
  expect((await look()).stuck).toBe(2);
});

test('a job that could not be read whole', async () => {
  const { jobId, lease } = await beginExtraction(database);
  await closeWindow(database, { jobId, lease }, 1, 'failed', 'said the test');
  expect(await closeJob(database, jobId, lease, 'failed')).toBe(true);
  expect((await look()).jobs).toMatchObject([
    {
      jobId,
      status: 'failed',
      state: 'stopped',
      failedWindows: [{ windowId: 1, detail: 'said the test', accepted: null }],
    },
  ]);
});

test('where a message is, in every index it occurs in', async () => {
  const one = await beginExtraction(database, { index: 'one' });
  const two = await beginExtraction(database, { index: 'two' });
  await one.store(['a ', 'A']);
  await two.store(['a ']);
  const batch = await claimed(database);
  await completeBatch(database, batch, outcomesOf(batch));
  expect(await findMessages(database, 'a ')).toEqual([
    { index: 'one', status: 'completed', url: `s3://bucket/batch-${batch.batchId}` },
    { index: 'two', status: 'pending' },
  ]);
  expect(await findMessages(database, 'a')).toEqual([]);
});

test('who is slowed down, until it says otherwise or has died', async () => {
  const limit = {
    share: 0.25,
    inFlight: 3,
    requestsPerSecond: 12.5,
    reason: 'slow answers' as const,
  };
  const [dead, alive] = ['d'.repeat(32), 'a'.repeat(32)];
  await announceLimit(database, { ...limit, token: dead, owner: 'host:1', forMs: 0 });
  await announceLimit(database, { ...limit, token: alive, owner: 'host:2', forMs: 90_000 });
  await announceLimit(database, {
    ...limit,
    share: 0.5,
    token: alive,
    owner: 'host:2',
    forMs: 95_000,
  });
  expect((await look()).throttled).toMatchObject([
    { ...limit, share: 0.5, owner: 'host:2' },
    { ...limit, owner: 'host:1' },
  ]);
  expect((await look()).throttled[0]?.seconds).toBeGreaterThanOrEqual(95);
  await database.change(
    'UPDATE source_limits SET expires_at = NOW(6) - INTERVAL 1 SECOND WHERE token = ?',
    [dead],
  );
  expect((await look()).throttled.map(({ owner }) => owner)).toEqual(['host:2']);
  await withdrawLimit(database, alive);
  expect((await look()).throttled).toEqual([]);
  expect(await database.rows('SELECT * FROM source_limits')).toEqual([]);
});

test('who uploads, until it says otherwise or has died', async () => {
  const uploads = { inFlight: 120, allowed: 128, most: 512, reason: null };
  const [dead, alive] = ['d'.repeat(32), 'a'.repeat(32)];
  await announceUploads(database, dead, { ...uploads, owner: 'host:1' });
  await announceUploads(database, alive, { ...uploads, owner: 'host:2' });
  const fewer = { ...uploads, owner: 'host:2', allowed: 64, reason: 'SlowDown' };
  await announceUploads(database, alive, fewer);
  expect((await look()).uploading).toEqual([{ ...uploads, owner: 'host:1' }, fewer]);
  await database.change(
    'UPDATE upload_limits SET expires_at = NOW(6) - INTERVAL 1 SECOND WHERE token = ?',
    [dead],
  );
  expect((await look()).uploading).toEqual([fewer]);
  await withdrawUploads(database, alive);
  expect(await database.rows('SELECT * FROM upload_limits')).toEqual([]);
});

test('a process that uploads tells so while it does, and no longer', async () => {
  const limit = new UploadLimit({ most: 7, now: () => performance.now() });
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const run = quietRun();
  const upload = limit.run({ retryForMs: 1000, report: () => undefined }, () => ended, run.stop);
  const notice = new UploadNotice(run, database, limit);
  await until(async () => (await look()).uploading.length > 0, 'a row');
  expect((await look()).uploading).toMatchObject([
    { inFlight: 1, allowed: 7, most: 7, reason: null },
  ]);
  end();
  await upload;
  await notice.withdraw();
  expect((await look()).uploading).toEqual([]);
});
