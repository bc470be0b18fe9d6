import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { resetStuck } from '../../src/core/recover/reset-stuck.js';
import type { Database } from '../../src/core/tracking/database.js';
import { leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease, renewLeases } from '../../src/core/tracking/lease.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { listStuck, resetBatch, resetExtraction } from '../../src/core/tracking/stuck.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  batchRows,
  beginExtraction,
  claimed,
  clear,
  contradictions,
  expireLease,
  freshTracking,
  ids,
  messageRows,
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

const reset = (olderThanMs = 0, dryRun = false) =>
  resetStuck(quietRun(), on, { olderThanMs, dryRun });
const stopped = quietRun(undefined, AbortSignal.abort(new Error('stopped by the test')));
const everything = async () => [
  await batchRows(database),
  await messageRows(database),
  await database.rows('SELECT job_id, status, lease_token FROM job_runs'),
];

test('batches and extractions whose lease has run out are claimable again, listed and counted', async () => {
  const { jobId, lease, store } = await beginExtraction(database);
  await store(ids(10));
  const batch = await claimed(database, 'dead:1');
  await expireLease(database, 'batch_progress', batch.lease.token, 120);
  await expireLease(database, 'job_runs', lease.token, 120);
  const wanted = {
    batches: [{ batchId: batch.batchId, jobId, messages: 10, owner: 'dead:1' }],
    extractions: [{ jobId, owner: 'extractor:1' }],
  };
  const before = await everything();
  expect(await reset(0, true)).toMatchObject(wanted);
  expect(await everything()).toEqual(before);
  expect(await reset()).toMatchObject(wanted);
  expect(await reset()).toEqual({ batches: [], extractions: [] });
  expect(await batchRows(database)).toMatchObject([{ status: 'pending', lease_token: null }]);
  for (const row of await messageRows(database)) expect(row).toMatchObject({ status: 'pending', attempts: 0 });
  expect(await contradictions(database)).toEqual([]);
  expect(await leaseJob(database, jobId, newLease('next:1', 300))).toBe(true);
  // Whoever held it, held it in vain.
  expect(await completeBatch(database, batch, outcomesOf(batch))).toBe(false);
}); // prettier-ignore

test('a live lease is never touched', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(10));
  await claimed(database);
  const before = await everything();
  expect(await reset()).toEqual({ batches: [], extractions: [] });
  expect(await everything()).toEqual(before);
});

test('what is completed, pending or closed is not stuck', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(20));
  const batch = await claimed(database);
  await completeBatch(database, batch, outcomesOf(batch));
  const before = await everything();
  expect(await reset()).toEqual({ batches: [], extractions: [] });
  expect(await everything()).toEqual(before);
});

test('--older-than narrows it to leases that ran out that long ago', async () => {
  const { lease, store } = await beginExtraction(database);
  await store(ids(20));
  const [old, young] = [await claimed(database), await claimed(database)];
  await expireLease(database, 'batch_progress', old.lease.token, 1_000);
  await expireLease(database, 'batch_progress', young.lease.token, 800);
  await expireLease(database, 'job_runs', lease.token, 800);
  const fifteenMinutes = 900_000;
  expect((await reset(fifteenMinutes)).batches.map(({ batchId }) => batchId)).toEqual([
    old.batchId,
  ]);
  expect((await batchRows(database)).map(({ status }) => status)).toEqual([
    'pending',
    'in_progress',
  ]);
  expect(await reset(799_500)).toMatchObject({
    batches: [{ batchId: young.batchId }],
    extractions: [{ owner: 'extractor:1' }],
  });
  expect(await contradictions(database)).toEqual([]);
});

test('an owner that comes back to life between listing and resetting keeps what it holds', async () => {
  const { jobId, lease, store } = await beginExtraction(database);
  await store(ids(20));
  const [renewed, ended] = [await claimed(database), await claimed(database)];
  for (const one of [renewed, ended])
    await expireLease(database, 'batch_progress', one.lease.token);
  await expireLease(database, 'job_runs', lease.token);
  expect((await listStuck(database, 0)).batches).toHaveLength(2);
  await renewLeases(database, 'batch_progress', [renewed.lease]);
  await renewLeases(database, 'job_runs', [lease]);
  await completeBatch(database, ended, outcomesOf(ended));
  expect(await resetBatch(database, renewed.batchId, 0)).toBe(false);
  expect(await resetBatch(database, ended.batchId, 0)).toBe(false);
  expect(await resetExtraction(database, jobId, 0)).toBe(false);
  expect(await completeBatch(database, renewed, outcomesOf(renewed))).toBe(true);
  expect(await contradictions(database)).toEqual([]);
});

test('a heartbeat and a reset at the same moment: one of them wins, and the other knows', async () => {
  const { store } = await beginExtraction(database, { batchSize: 1 });
  await store(ids(30));
  for (let round = 0; round < 30; round += 1) {
    const batch = await claimed(database);
    await expireLease(database, 'batch_progress', batch.lease.token);
    const [wasReset, lost] = await Promise.all([
      resetBatch(database, batch.batchId, 0),
      renewLeases(database, 'batch_progress', [batch.lease]),
    ]);
    expect(lost.length === 1).toBe(wasReset);
    expect(await completeBatch(database, batch, outcomesOf(batch))).toBe(!wasReset);
  }
  expect(await contradictions(database)).toEqual([]);
});

test('told to stop, it leaves what is stuck as it is', async () => {
  const { store } = await beginExtraction(database);
  await store(ids(10));
  const batch = await claimed(database, 'dead:1');
  await expireLease(database, 'batch_progress', batch.lease.token, 120);
  const before = await everything();
  const outcome = await resetStuck(stopped, on, { olderThanMs: 0, dryRun: false });
  expect(outcome).toEqual({ batches: [], extractions: [], notReached: 1 });
  expect(await everything()).toEqual(before);
});
