import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { waitForExtraction, waitForOthers } from '../../src/core/range/waiting.js';
import type { ProcessState, Run } from '../../src/core/run.js';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { releaseBatch, type ClaimedBatch } from '../../src/core/tracking/claims.js';
import { closeJob } from '../../src/core/tracking/jobs.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  beginExtraction,
  clear,
  expireLease,
  freshTracking,
  ids,
  type Extraction,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;

beforeAll(async () => {
  tracking = await freshTracking();
});
beforeEach(() => clear(tracking.database));
afterAll(() => tracking.drop());

/** A run, and what happens as soon as it says for whom it waits. */
function waiting(
  then: () => unknown,
  stateOf: (identity: string) => ProcessState = () => 'unknown',
): { run: Run; said: string[]; done: () => Promise<unknown> } {
  const said: string[] = [];
  let doing: Promise<unknown> = Promise.resolve();
  const run = quietRun((event) => {
    if (event.type !== 'log' || event.level !== 'info') return;
    if (said.length === 0) doing = Promise.resolve(then());
    said.push(event.message);
  });
  const host = { ...run.host, identity: 'this one', stateOf };
  return { run: { ...run, host }, said, done: () => doing };
}

/** A job whose extraction has ended, with one batch that another process holds. */
async function held(owner: Parameters<typeof claimBatch>[1] = 'elsewhere:1') {
  const job = await beginExtraction(tracking.database);
  await job.store(ids(3));
  await closeJob(tracking.database, job.jobId, job.lease, 'completed');
  const batch = await claimBatch(tracking.database, owner, 300);
  if (!batch) throw new Error('nothing was claimed');
  return { job, batch };
}

describe('waiting for others', () => {
  const ends: Record<string, (batch: ClaimedBatch) => Promise<unknown>> = {
    'gives it back': (batch) => releaseBatch(tracking.database, batch),
    'lets its lease run out': ({ lease }) =>
      expireLease(tracking.database, 'batch_progress', lease.token),
  };
  test.each(Object.keys(ends))('ends when a holder %s', async (how) => {
    const { job, batch } = await held();
    const { run, said, done } = waiting(() => ends[how]?.(batch));
    expect(await waitForOthers(run, connectionsTo(tracking), [job.jobId], undefined)).toBe(true);
    await done();
    expect(said).toEqual([
      expect.stringMatching(
        /^waiting for others: 1 batch is held; the lease of elsewhere:1 runs out in \d+ s \(\S+Z\) unless it is renewed$/,
      ),
    ]);
  });

  test('ends when the holder is gone from this host', async () => {
    const { job } = await held({ name: 'here:7', identity: 'that one' });
    let state: ProcessState = 'alive';
    const { run, said } = waiting(
      () => void (state = 'gone'),
      () => state,
    );
    expect(await waitForOthers(run, connectionsTo(tracking), [job.jobId], undefined)).toBe(true);
    expect(said[0]).toContain('here:7');
  });

  test('looks at these jobs alone, and does not wait where something can be claimed', async () => {
    const { job } = await held();
    const { run, said } = waiting(() => undefined);
    const on = connectionsTo(tracking);
    expect(await waitForOthers(run, on, [job.jobId + 1], undefined)).toBe(true);
    const other: Extraction = await beginExtraction(tracking.database, { day: 2 });
    await other.store(ids(3, 'b'));
    expect(await waitForOthers(run, on, [job.jobId, other.jobId], undefined)).toBe(true);
    expect(said).toEqual([]);
  });

  test('ends when it is late, or told to stop', async () => {
    const { job } = await held();
    const on = connectionsTo(tracking);
    const { run, said } = waiting(() => undefined);
    expect(await waitForOthers(run, on, [job.jobId], run.clock.now() - 1)).toBe(false);
    expect(said).toEqual([]);
    const stop = new AbortController();
    const stopped = waiting(() => stop.abort());
    const stoppable = { ...stopped.run, stop: stop.signal };
    expect(await waitForOthers(stoppable, on, [job.jobId], undefined)).toBe(false);
  });

  test('of an extraction, ends when that has ended', async () => {
    const job = await beginExtraction(tracking.database);
    const { run, said } = waiting(() =>
      closeJob(tracking.database, job.jobId, job.lease, 'completed'),
    );
    const on = connectionsTo(tracking);
    expect(await waitForExtraction(run, on, job.jobId, undefined)).toBe(true);
    expect(said[0]).toContain('1 extraction is held; the lease of extractor:1 runs out in');
  });
});
