import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { WorkQueue } from '../../src/core/process/work-queue.js';
import { runPool } from '../../src/core/pool.js';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import type { Database } from '../../src/core/tracking/database.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  beginExtraction,
  clear,
  freshTracking,
  ids,
  outcomesOf,
  type Tracking,
} from '../support/tracking.js';

// In which order, and beside how many others, batches are processed that died with a process.

let tracking: Tracking;
let database: Database;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
beforeEach(() => clear(database));
afterAll(() => tracking.drop());

async function batches(count: number): Promise<void> {
  await (await beginExtraction(database, { batchSize: 1 })).store(ids(count));
}

/** Processes all, as one process does. */
async function processed(
  concurrency: number,
  work: (batch: ClaimedBatch) => Promise<void> | void,
): Promise<void> {
  const options = { concurrency, maxBatches: undefined, maxRuntimeMs: undefined, watch: false, expected: 0 }; // prettier-ignore
  const queue = new WorkQueue(quietRun(), connectionsTo(tracking), options, {
    whenIdle: () => Promise.resolve(),
    givenUp: () => undefined,
  });
  await queue.findScope();
  await runPool(
    concurrency,
    () => queue.take(),
    async (batch) => {
      await work(batch);
      await completeBatch(database, batch, outcomesOf(batch));
      await queue.settle(batch, { kind: 'carried' });
    },
  );
  await queue.close();
  expect(await database.rows('SELECT status FROM batch_progress GROUP BY status')).toEqual([
    { status: 'completed' },
  ]);
}

test.each([
  ['that died once, half of the places work', 0, 4],
  ['that died again, one does', 1, 1],
])('on batches %s', async (_, tries, most) => {
  await batches(12);
  await database.change('UPDATE batch_progress SET claims = 1, suspect = TRUE, tries = ?', [tries]);
  let inHand = 0;
  let peak = 0;
  let isReached = () => undefined as unknown;
  const reached = new Promise<void>((resolve) => (isReached = resolve));
  await processed(8, async () => {
    inHand += 1;
    peak = Math.max(peak, inHand);
    if (inHand === most) isReached();
    await reached;
    await new Promise(setImmediate);
    inHand -= 1;
  });
  expect(peak).toBe(most);
});

test.each(['suspect = TRUE', 'suspect = TRUE, tries = 2', 'suspect = FALSE'])(
  'a batch that was claimed before (%s) has its turn while there are new ones',
  async (how) => {
    await batches(110);
    await database.change(`UPDATE batch_progress SET claims = 1, ${how} ORDER BY batch_id LIMIT 1`);
    const order: number[] = [];
    await processed(1, ({ batchId }) => void order.push(batchId));
    expect(order.indexOf(Math.min(...order))).toBe(100);
  },
);
