import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { WorkQueue } from '../../src/core/process/work-queue.js';
import type { RunEvent } from '../../src/core/run.js';
import { hasClaimable } from '../../src/core/tracking/claim-next.js';
import { countAtOdds } from '../../src/core/tracking/counters.js';
import { ALL_JOBS, onlyJobs } from '../../src/core/tracking/scope.js';
import { connectionsTo, quietRun } from '../support/core.js';
import { batchRows, beginExtraction, clear, freshTracking, ids } from '../support/tracking.js';
import type { Tracking } from '../support/tracking.js';

// One batch's counters and rows contradict each other: the others are processed.

let tracking: Tracking;
let jobId: number;
let damaged: number;
let logged: string[];

beforeAll(async () => {
  tracking = await freshTracking();
});
beforeEach(async () => {
  logged = [];
  await clear(tracking.database);
  const job = await beginExtraction(tracking.database, { batchSize: 3 });
  jobId = job.jobId;
  await job.store(ids(9));
  damaged = (await batchRows(tracking.database))[0]?.batch_id ?? 0;
});
afterAll(() => tracking.drop());

/** The numbers of all batches that are claimed, as by `process`. */
async function taken(jobs?: readonly number[]): Promise<number[]> {
  const report = (event: RunEvent) => {
    if (event.type === 'log') logged.push(event.message);
  };
  const options = { jobs, concurrency: 9, maxBatches: undefined, maxRuntimeMs: undefined };
  const queue = new WorkQueue(
    quietRun(report),
    connectionsTo(tracking),
    { ...options, watch: false, expected: 9 },
    { whenIdle: () => Promise.resolve(), givenUp: () => undefined },
  );
  await queue.findScope();
  const batches: number[] = [];
  for (let batch = await queue.take(); batch; batch = await queue.take()) {
    batches.push(batch.batchId);
    await queue.settle(batch, { kind: 'carried' });
  }
  return batches;
}

const damage = (sql: string) =>
  tracking.database.change(`UPDATE batch_progress SET ${sql} WHERE batch_id = ${damaged}`);

test.each([
  ['pending', 'total_messages = 4'],
  ['held by somebody who is gone', "total_messages = 4, status = 'in_progress', lease_expires_at = NOW(6) - INTERVAL 1 SECOND"],
  ['tried before', 'total_messages = 4, tries = 1'],
  ['tried as often as it may be', 'total_messages = 4, tries = 9'],
])('%s, it is passed over, told once, and left as it is', async (_, sql) => {
  await damage(sql);
  const [before] = await batchRows(tracking.database);
  expect(await taken()).toEqual([damaged + 1, damaged + 2]);
  expect(logged).toEqual([
    expect.stringMatching(/^batch \d+ is left as it is: .*es-migrate verify --level counts --repair/),
  ]);
  expect((await batchRows(tracking.database))[0]).toEqual(before);
}); // prettier-ignore

test('in a scope of jobs, too; and nobody waits for it, since it could not be claimed', async () => {
  await damage('total_messages = 2');
  expect(await taken([jobId])).toHaveLength(2);
  await tracking.database.change(
    `UPDATE batch_progress SET status = 'completed' WHERE batch_id <> ${damaged}`,
  );
  expect(await hasClaimable(tracking.database, onlyJobs([jobId]))).toBe(false);
  expect(await countAtOdds(tracking.database, ALL_JOBS)).toBe(1);
  await damage('total_messages = 3');
  expect(await hasClaimable(tracking.database, onlyJobs([jobId]))).toBe(true);
  expect(await countAtOdds(tracking.database, ALL_JOBS)).toBe(0);
  expect(await taken()).toEqual([damaged]);
});
