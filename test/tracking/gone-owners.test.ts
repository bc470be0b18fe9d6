import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRun } from '../../src/commands/create-run.js';
import { resetStuck } from '../../src/core/recover/reset-stuck.js';
import type { Run } from '../../src/core/run.js';
import { status } from '../../src/core/status/status.js';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { releaseBatch, type ClaimedBatch } from '../../src/core/tracking/claims.js';
import { countBatches } from '../../src/core/tracking/counters.js';
import type { Database } from '../../src/core/tracking/database.js';
import { endLeasesOfGone } from '../../src/core/tracking/gone-owners.js';
import { leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease, renewLeases } from '../../src/core/tracking/lease.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { ALL_JOBS } from '../../src/core/tracking/scope.js';
import { beginVerification } from '../../src/core/tracking/verify-runs.js';
import { announceUploads } from '../../src/core/tracking/upload-limits.js';
import { startStranger, type Stranger } from '../hosts/namespaces.js';
import { connectionsTo } from '../support/core.js';
import {
  batchRows,
  beginExtraction,
  clear,
  contradictions,
  freshTracking,
  ids,
  outcomesOf,
  type Extraction,
  type Tracking,
} from '../support/tracking.js';

// Leases of real processes, of which some are killed.

let tracking: Tracking;
let database: Database;
let extraction: Extraction;
let gone: Stranger;
let alive: Stranger;
let logged: string[];
let run: Run;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
  [gone, alive] = await Promise.all([startStranger(), startStranger()]);
  await gone.kill();
});
beforeEach(async () => {
  await clear(database);
  await database.change('DELETE FROM verify_runs');
  extraction = await beginExtraction(database);
  await extraction.store(ids(30));
  logged = [];
  run = createRun(new AbortController().signal, (event) => {
    if (event.type === 'log') logged.push(event.message);
  });
});
afterEach(async () => {
  expect(await contradictions(database)).toEqual([]);
});
afterAll(async () => {
  await alive.kill();
  await tracking.drop();
});

const ownerOf = ({ child, identity }: Stranger) => ({ name: `here:${child.pid ?? 0}`, identity });
const claimBy = async (owner: Stranger): Promise<ClaimedBatch> => {
  const batch = await claimBatch(database, ownerOf(owner), 300);
  if (!batch) throw new Error('nothing to claim');
  return batch;
};
const endBatches = () => endLeasesOfGone(run, database, 'batch_progress');
const live = async (table: string) => {
  const [row] = await database.rows<{ live: number }>(
    `SELECT COUNT(*) AS live FROM ${table} WHERE lease_expires_at >= NOW(6)`,
  );
  return row?.live;
};

test('the leases of a process that is gone end at once, those of others do not', async () => {
  const [first, second, other] = [await claimBy(gone), await claimBy(gone), await claimBy(alive)];
  expect(await endBatches()).toBe(2);
  expect(logged).toEqual([
    `process ${gone.child.pid ?? 0} on here, which held batches ${first.batchId} and ${second.batchId}, is gone: their leases end now`,
  ]);
  expect(await live('batch_progress')).toBe(1);
  const next = await claimBy(alive);
  expect(next).toMatchObject({ batchId: first.batchId, claim: 2 });
  // It is no longer whose it was.
  expect(await completeBatch(database, first, outcomesOf(first))).toBe(false);
  expect(await completeBatch(database, other, outcomesOf(other))).toBe(true);
  expect(await endBatches()).toBe(0);
});

test('what a process said of its uploads is not shown once it is gone', async () => {
  const uploads = { inFlight: 2, allowed: 8, most: 8, reason: null };
  await database.change('DELETE FROM upload_limits');
  for (const [i, stranger] of [gone, alive].entries()) {
    await claimBy(stranger);
    await announceUploads(database, `${i}`.repeat(32), {
      ...uploads,
      owner: ownerOf(stranger).name,
    });
  }
  const shown = async () =>
    (await status(run, connectionsTo(tracking), {})).uploading.map(({ owner }) => owner);
  expect(await shown()).toEqual([ownerOf(alive).name]);
  expect(await endBatches()).toBe(1);
  expect(await shown()).toEqual([ownerOf(alive).name]);
});

test('a process that is stopped, but there, keeps what it holds', async () => {
  await claimBy(alive);
  alive.child.kill('SIGSTOP');
  expect(await endBatches()).toBe(0);
  alive.child.kill('SIGCONT');
  expect(await live('batch_progress')).toBe(1);
});

test('a lease taken before there was anything to tell by is waited for', async () => {
  await claimBatch(database, 'here:1', 300);
  expect(await endBatches()).toBe(0);
  expect(await live('batch_progress')).toBe(1);
});

test('a lease that an older es-migrate took over is not judged by the process that held it before', async () => {
  await claimBy(gone);
  await database.change('UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 2 SECOND WHERE lease_token IS NOT NULL');
  // As it did.
  await database.change(
    `UPDATE batch_progress SET status = 'in_progress', claims = claims + 1, claimed_at = NOW(3), queued_at = NULL,
            tries = tries + IF(suspect AND NOT 1, 1, 0), suspect = TRUE,
            lease_token = ?, lease_owner = 'here:1', lease_expires_at = NOW(6) + INTERVAL 300 SECOND WHERE lease_token IS NOT NULL`,
    ['0'.repeat(32)],
  );
  const job = newLease(ownerOf(gone), 300);
  await database.change('UPDATE job_runs SET lease_token = NULL');
  expect(await leaseJob(database, extraction.jobId, job)).toBe(true);
  await database.change("UPDATE job_runs SET lease_token = ?, lease_owner = 'here:1'", ['0'.repeat(32)]);
  expect(await endBatches()).toBe(0);
  expect(await endLeasesOfGone(run, database, 'job_runs')).toBe(0);
  expect(await live('batch_progress')).toBe(1);
  expect(await live('job_runs')).toBe(1);
}); // prettier-ignore

test('what can’t be told of is waited for: other hosts, other containers, hosts that can’t tell', async () => {
  const [, ...rest] = gone.identity.split(' ');
  const [boot = '', , ...others] = gone.identity.split(' ');
  const identities = [
    ['00000000-0000-4000-8000-000000000000', ...rest].join(' '),
    [boot, '1', ...others].join(' '),
    'of a kind that comes later',
  ];
  for (const identity of identities) await claimBatch(database, { name: 'there:1', identity }, 300);
  expect(await endBatches()).toBe(0);
  expect(await live('batch_progress')).toBe(3);
  // Nor by who can't tell himself.
  await clear(database);
  await (await beginExtraction(database)).store(ids(10));
  await claimBy(gone);
  const opaque = { ...run, host: { ...run.host, identity: undefined } };
  expect(await endLeasesOfGone(opaque, database, 'batch_progress')).toBe(0);
});

test('what was released, completed or taken over meanwhile is left as it is', async () => {
  const released = await claimBy(gone);
  const completed = await claimBy(gone);
  const taken = await claimBy(gone);
  await releaseBatch(database, released);
  await completeBatch(database, completed, outcomesOf(completed));
  await database.change('UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 2 SECOND WHERE lease_token = ?', [taken.lease.token]);
  // Pending comes first.
  const [again, over] = [await claimBy(alive), await claimBy(alive)];
  expect([again.batchId, over.batchId]).toEqual([released.batchId, taken.batchId]);
  expect(await endBatches()).toBe(0);
  expect(await renewLeases(database, 'batch_progress', [again.lease, over.lease])).toEqual([]);
}); // prettier-ignore

test('many that look at the same moment end a lease once, and one of them gets the batch', async () => {
  await clear(database);
  await (await beginExtraction(database)).store(ids(10));
  await claimBy(gone);
  const ended = await Promise.all(ids(6).map(() => endBatches()));
  expect(ended.reduce((sum, count) => sum + count)).toBe(1);
  expect(logged).toHaveLength(1);
  const claims = await Promise.all(
    ids(6).map(async () => {
      await endBatches();
      return claimBatch(database, ownerOf(alive), 300);
    }),
  );
  expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
  expect(await batchRows(database)).toMatchObject([{ claims: 2 }]);
});

test('an extraction and a verification of a process that is gone can be gone on with', async () => {
  await database.change('UPDATE job_runs SET lease_token = NULL');
  await leaseJob(database, extraction.jobId, newLease(ownerOf(gone), 300));
  const named = { scope: ALL_JOBS, key: Buffer.alloc(32, 1) };
  const begin = (owner: Stranger) =>
    beginVerification(database, named, newLease(ownerOf(owner), 300), { restart: false });
  expect(await begin(gone)).toMatchObject({ kind: 'new' });
  expect(await leaseJob(database, extraction.jobId, newLease(ownerOf(alive), 300))).toBe(false);
  expect(await begin(alive)).toMatchObject({ kind: 'busy' });
  expect(await endLeasesOfGone(run, database, 'job_runs')).toBe(1);
  expect(await endLeasesOfGone(run, database, 'verify_runs')).toBe(1);
  expect(logged).toEqual([
    `process ${gone.child.pid ?? 0} on here, which held the extraction of job ${extraction.jobId}, is gone: its lease ends now`,
    expect.stringMatching(/which held verification \d+, is gone: its lease ends now$/),
  ]);
  expect(await leaseJob(database, extraction.jobId, newLease(ownerOf(alive), 300))).toBe(true);
  expect(await begin(alive)).not.toMatchObject({ kind: 'busy' });
});

test('status and reset-stuck count them as stuck; looking changes nothing', async () => {
  await claimBy(gone);
  await claimBy(alive);
  const on = connectionsTo(tracking);
  expect(await status(run, on, { jobId: undefined })).toMatchObject({ stuck: 1 });
  const reset = (dryRun: boolean, olderThanMs = 0) => resetStuck(run, on, { olderThanMs, dryRun });
  const owner = `here:${gone.child.pid ?? 0}`;
  const before = await batchRows(database);
  expect(await reset(true)).toMatchObject({ batches: [{ owner }], extractions: [] });
  expect((await reset(true)).batches[0]?.expiredAt.getTime()).toBeLessThanOrEqual(Date.now() + 60_000);
  // It held them until now.
  for (const dryRun of [true, false]) expect((await reset(dryRun, 900_000)).batches).toEqual([]);
  expect(await batchRows(database)).toEqual(before);
  expect(await live('batch_progress')).toBe(2);
  expect(logged).toEqual([]);
  expect(await reset(false)).toMatchObject({ batches: [{ owner, messages: 10 }], extractions: [] });
  expect((await countBatches(database)).batches).toMatchObject({ pending: 2, inProgress: 1 });
}); // prettier-ignore
