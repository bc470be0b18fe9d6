import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { heldBatches, releaseBatch } from '../../src/core/tracking/claims.js';
import { Database, type Statements } from '../../src/core/tracking/database.js';
import { Heartbeat, LeaseLost } from '../../src/core/tracking/heartbeat.js';
import { findOrCreateJob, leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease, renewLeases } from '../../src/core/tracking/lease.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { onlyJobs, workingSet, type JobSet } from '../../src/core/tracking/scope.js';
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
  openDatabase,
  outcomesOf,
  trackingSettings,
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

const pendingBatches = async (count: number) => {
  const { store } = await beginExtraction(database, { batchSize: 3 });
  await store(ids(count * 3));
};
/** Seconds until the leases of all claimed batches run out, by the database's clock. */
const secondsLeft = async () => {
  const rows = await database.rows<{ left: string }>(
    `SELECT TIMESTAMPDIFF(MICROSECOND, NOW(6), lease_expires_at) / 1000000 AS \`left\`
     FROM batch_progress WHERE lease_token IS NOT NULL ORDER BY batch_id`,
  );
  return rows.map(({ left }) => Number(left));
};

test('a claim whose COMMIT went through unheard is recognised, and no second batch taken', async () => {
  await pendingBatches(2);
  /** Hears of no first COMMIT. */
  class HardOfHearing extends Database {
    override async transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
      await super.transaction(work);
      return super.transaction(work);
    }
  }
  const policy = { retryForMs: 20_000, report: () => undefined };
  const deaf = new HardOfHearing(trackingSettings(tracking.at), policy, 1);
  try {
    const batch = await claimBatch(deaf, 'worker:1', 300);
    const rows = await batchRows(database);
    expect(rows.map(({ status }) => status)).toEqual(['in_progress', 'pending']);
    expect(batch?.messages).toHaveLength(3);
    if (!batch) throw new Error('nothing was claimed');
    expect(await completeBatch(database, batch, outcomesOf(batch))).toBe(true);
    expect(await contradictions(database)).toEqual([]);
  } finally {
    await deaf.close();
  }
});

test('batches of jobs over another index are left alone', async () => {
  const ours = await beginExtraction(database, { batchSize: 3 });
  await ours.store(ids(3));
  const other = await beginExtraction(database, { batchSize: 3, index: 'other' });
  await other.store(ids(3));
  const foreign = await workingSet(database, 'messages', undefined);
  expect(foreign).toEqual({ kind: 'except', jobs: [other.jobId] });
  const first = await claimBatch(database, 'worker:1', 300, foreign);
  expect(first?.jobId).toBe(ours.jobId);
  expect(await claimBatch(database, 'worker:1', 300, foreign)).toBeUndefined();
  // Nor are they taken over.
  const theirs = await claimed(database, 'worker:2');
  expect(theirs.jobId).toBe(other.jobId);
  await expireLease(database, 'batch_progress', theirs.lease.token);
  expect(await claimBatch(database, 'worker:1', 300, foreign)).toBeUndefined();
});

test('batches of jobs outside the scope are left alone, and within it the oldest job comes first', async () => {
  const jobs = [];
  for (const day of [1, 2, 3]) {
    const job = await beginExtraction(database, { day, batchSize: 3 });
    await job.store(ids(6, `day ${day}/`));
    jobs.push(job.jobId);
  }
  const [first = 0, second = 0, third = 0] = jobs;
  const claim = (scope: JobSet) => claimBatch(database, 'worker:1', 300, scope);
  expect((await claim(onlyJobs([second])))?.jobId).toBe(second);
  const taken = [];
  for (let batch; (batch = await claim(onlyJobs([third, second])));) taken.push(batch);
  expect(taken.map(({ jobId }) => jobId)).toEqual([second, third, third]);
  expect(await claim(onlyJobs([]))).toBeUndefined();
  // A lease that has run out is taken over within the scope alone.
  for (const { lease } of taken) await expireLease(database, 'batch_progress', lease.token);
  expect((await claim(onlyJobs([third, first])))?.jobId).toBe(first);
  expect((await claim(onlyJobs([third])))?.jobId).toBe(third);
  expect(await heldBatches(database, onlyJobs([second]))).toMatchObject({ held: 1 });
  expect(await heldBatches(database, onlyJobs([first, third]))).toMatchObject({ held: 2 });
});

test('a claim within certain jobs locks no batch of others', async () => {
  for (const day of [1, 2]) {
    const job = await beginExtraction(database, { day, batchSize: 3 });
    await job.store(ids(30, `day ${day}/`));
  }
  const [first = 0, second = 0] = (await batchRows(database)).flatMap(({ job_id }, i) =>
    i % 10 === 0 ? [job_id] : [],
  );
  // Its transaction is still open while the other job's batches are claimed.
  let others: unknown[] = [];
  class Slow extends Database {
    override transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
      return super.transaction(async (on) => {
        const result = await work(on);
        for (let batch; (batch = await claimBatch(database, 'worker:2', 300, onlyJobs([first])));)
          others = [...others, batch];
        return result;
      });
    }
  }
  const policy = { retryForMs: 20_000, report: () => undefined };
  const slow = new Slow(trackingSettings(tracking.at), policy, 1);
  try {
    expect((await claimBatch(slow, 'worker:1', 300, onlyJobs([second])))?.jobId).toBe(second);
  } finally {
    await slow.close();
  }
  expect(others).toHaveLength(10);
});

test('what a claim holds', async () => {
  const { jobId, store } = await beginExtraction(database);
  await store(['a', 'A', 'a ']);
  const batch = await claimed(database, 'host:7');
  expect(batch).toMatchObject({ jobId, claim: 1, plainKeyIndex: 'messages' });
  expect(batch.messages.map(({ id, index, attempts }) => [id.toString(), index, attempts])).toEqual(
    [
      ['A', 'messages', 0],
      ['a', 'messages', 0],
      ['a ', 'messages', 0],
    ],
  );
  expect(await batchRows(database)).toMatchObject([
    { status: 'in_progress', claims: 1, lease_owner: 'host:7', lease_token: batch.lease.token },
  ]);
  expect(await contradictions(database)).toEqual([]);
  expect(await heldBatches(database)).toMatchObject({
    held: 1,
    longest: { owner: expect.any(String) as string },
  });
});

test('claimed by many at once, each batch goes to one of them', async () => {
  await pendingBatches(40);
  const workers = Array.from({ length: 3 }, () => openDatabase(trackingSettings(tracking.at), 4));
  try {
    const claims = await Promise.all(
      Array.from({ length: 60 }, (_, i) => {
        const worker = workers[i % workers.length] ?? database;
        return claimBatch(worker, `worker:${i}`, 300);
      }),
    );
    const got = claims.filter((claim) => claim !== undefined);
    // SKIP LOCKED may leave a late comer with nothing while others still hold their rows, but never takes one twice.
    for (let rest; (rest = await claimBatch(database, 'rest:1', 300));) got.push(rest);
    expect(new Set(got.map(({ batchId }) => batchId)).size).toBe(40);
    expect(got).toHaveLength(40);
    const messages = got.flatMap((claim) => claim.messages.map(({ id }) => id.toString()));
    expect(messages.sort()).toEqual(ids(120).sort());
  } finally {
    await Promise.all(workers.map((worker) => worker.close()));
  }
  expect(await contradictions(database)).toEqual([]);
});

describe('a lease that has run out', () => {
  test('by itself, is taken over, and counted as another claim', async () => {
    await pendingBatches(1);
    const first = await claimBatch(database, 'worker:1', 1);
    await vi.waitFor(
      async () => {
        expect((await secondsLeft())[0]).toBeLessThan(0);
      },
      { timeout: 30_000 },
    );
    const second = await claimed(database, 'worker:2');
    expect(second).toMatchObject({ batchId: first?.batchId, claim: 2 });
    expect(second.messages).toEqual(first?.messages);
    expect(second.lease.token).not.toBe(first?.lease.token);
  });

  test('is taken over by one of many', async () => {
    await pendingBatches(1);
    await expireLease(database, 'batch_progress', (await claimed(database)).lease.token);
    const claims = await Promise.all(ids(8).map((owner) => claimBatch(database, owner, 300)));
    expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1);
    expect((await batchRows(database))[0]?.claims).toBe(2);
  });

  test('comes after what is pending', async () => {
    await pendingBatches(2);
    const first = await claimed(database);
    await expireLease(database, 'batch_progress', first.lease.token);
    expect((await claimed(database)).batchId).toBe(first.batchId + 1);
    expect((await claimed(database)).batchId).toBe(first.batchId);
  });

  test('is lost once it is taken over: its holder can neither complete nor release nor renew', async () => {
    await pendingBatches(1);
    const old = await claimed(database, 'worker:1');
    await expireLease(database, 'batch_progress', old.lease.token);
    const now = await claimed(database, 'worker:2');
    const before = [await batchRows(database), await messageRows(database)];
    expect(await completeBatch(database, old, outcomesOf(old))).toBe(false);
    await releaseBatch(database, old);
    expect(await renewLeases(database, 'batch_progress', [old.lease, now.lease])).toEqual([
      old.lease.token,
    ]);
    expect([await batchRows(database), await messageRows(database)]).toEqual(before);
    expect(await completeBatch(database, now, outcomesOf(now))).toBe(true);
  });

  test('but that nobody took over, still completes', async () => {
    await pendingBatches(1);
    const batch = await claimed(database);
    await expireLease(database, 'batch_progress', batch.lease.token);
    expect(await completeBatch(database, batch, outcomesOf(batch))).toBe(true);
    expect(await contradictions(database)).toEqual([]);
  });

  test('a live one is nobody else’s', async () => {
    await pendingBatches(1);
    await claimed(database);
    expect(await claimBatch(database, 'worker:2', 300)).toBeUndefined();
  });
});

test('a batch given back is pending again, its rows too, and no attempt is spent', async () => {
  await pendingBatches(1);
  await releaseBatch(database, await claimed(database));
  expect(await batchRows(database)).toMatchObject([
    { status: 'pending', claims: 1, lease_token: null, lease_owner: null },
  ]);
  for (const row of await messageRows(database))
    expect(row).toMatchObject({ status: 'pending', attempts: 0 });
  expect(await contradictions(database)).toEqual([]);
  expect(await claimed(database)).toMatchObject({ claim: 2 });
});

describe('the clock of this machine', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each([-36, 36])('%s hours off, changes no lease', async (hours) => {
    await pendingBatches(2);
    const held = await claimed(database, 'worker:1');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 3_600_000 });
    const mine = await claimed(database, 'worker:2');
    expect(mine.batchId).not.toBe(held.batchId);
    expect(await claimBatch(database, 'worker:2', 300)).toBeUndefined();
    const claimedFor = await secondsLeft();
    expect(await renewLeases(database, 'batch_progress', [mine.lease])).toEqual([]);
    const left = [...claimedFor, ...(await secondsLeft())];
    expect(left).toHaveLength(4);
    for (const seconds of left) {
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(300);
    }
    const job = await findOrCreateJob(
      database,
      { index: 'x', dateField: 'd', filter: undefined },
      { from: 0, to: 1 },
      ['x'],
    );
    expect(await leaseJob(database, job.jobId, newLease('a:1', 300))).toBe(true);
    expect(await leaseJob(database, job.jobId, newLease('b:1', 300))).toBe(false);
  });
});

describe('the heartbeat', () => {
  const beating = () => {
    const lines: string[] = [];
    const heartbeat = new Heartbeat(database, 'batch_progress', 0.3, (event) => {
      if (event.type === 'log') lines.push(event.message);
    });
    return { heartbeat, lines };
  };
  const aborted = (signal: AbortSignal) =>
    new Promise<unknown>((resolve) => {
      signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
    });

  test('renews what it holds, for as long as the lease says', async () => {
    await pendingBatches(2);
    const batches = [await claimed(database), await claimed(database)];
    for (const { lease } of batches) await expireLease(database, 'batch_progress', lease.token, 60);
    const { heartbeat } = beating();
    const signals = batches.map(({ lease }) => heartbeat.hold(lease));
    await vi.waitFor(
      async () => {
        for (const left of await secondsLeft()) expect(left).toBeGreaterThan(200);
      },
      { timeout: 30_000 },
    );
    await heartbeat.stop();
    expect(signals.map((signal) => signal.aborted)).toEqual([false, false]);
  });

  test('finds a lease that somebody else has taken over, and aborts its work only', async () => {
    await pendingBatches(2);
    const [lost, kept] = [await claimed(database), await claimed(database)];
    await expireLease(database, 'batch_progress', lost.lease.token);
    await claimed(database, 'worker:2');
    const { heartbeat } = beating();
    const others = heartbeat.hold(kept.lease);
    expect(await aborted(heartbeat.hold(lost.lease))).toBeInstanceOf(LeaseLost);
    await heartbeat.stop();
    expect(others.aborted).toBe(false);
  });

  test('does not take a batch that is completed for one that is lost', async () => {
    await pendingBatches(1);
    const batch = await claimed(database);
    await completeBatch(database, batch, outcomesOf(batch));
    expect(await renewLeases(database, 'batch_progress', [batch.lease])).toEqual([]);
    // Nor does it bring it back to life.
    expect(await batchRows(database)).toMatchObject([{ status: 'completed' }]);
    expect(await heldBatches(database)).toEqual({ held: 0, longest: undefined });
  });

  test('that cannot reach the database aborts the work when its lease is over, and says so', async () => {
    const gone = openDatabase(trackingSettings(tracking.at), 1);
    await gone.close();
    const lines: string[] = [];
    const heartbeat = new Heartbeat(gone, 'batch_progress', 0.3, (event) => {
      if (event.type === 'log') lines.push(event.message);
    });
    const reason = await aborted(heartbeat.hold(newLease('worker:1', 0.5)));
    await heartbeat.stop();
    expect(reason).toBeInstanceOf(LeaseLost);
    expect((reason as Error).message).toContain('could not be renewed');
    expect(lines[0]).toMatch(/^no heartbeat: /);
  });
});
