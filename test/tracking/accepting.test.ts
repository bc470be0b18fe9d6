import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { acceptFailed } from '../../src/core/tracking/acceptances.js';
import { acceptWindow } from '../../src/core/tracking/accepted-windows.js';
import { Database, type Statements } from '../../src/core/tracking/database.js';
import { failBatch } from '../../src/core/tracking/poisoned.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import {
  batchRows,
  beginExtraction,
  clear,
  contradictions,
  freshTracking,
  ids,
  trackingSettings,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;
let database: Database;
let jobId: number;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
afterAll(() => tracking.drop());
beforeEach(async () => {
  await clear(database);
  const job = await beginExtraction(database, { batchSize: 3 });
  jobId = job.jobId;
  await job.store(ids(6));
  for (const { batch_id } of await batchRows(database))
    await failBatch(database, { jobId, batchId: batch_id }, 'poison');
  await database.change("UPDATE extract_windows SET status = 'failed'");
});

const BECAUSE = { reason: 'lost', by: 'me@here' };
const acceptances = () =>
  database.rows<{ id: number }>('SELECT acceptance_id AS id FROM acceptances');

async function by<T extends Database>(
  kind: new (...given: ConstructorParameters<typeof Database>) => T,
  work: (on: T) => Promise<void>,
): Promise<void> {
  const policy = { retryForMs: 1_000, report: () => undefined };
  const on = new kind(trackingSettings(tracking.at), policy, 2);
  try {
    await work(on);
  } finally {
    await on.close();
  }
}

/** Is killed before the COMMIT of its first transaction. */
class Killed extends Database {
  override transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return super.transaction(async (on) => {
      await work(on);
      throw Object.assign(new Error('killed'), { fatal: true });
    });
  }
}

/** Hears of no first COMMIT. */
class HardOfHearing extends Database {
  override async transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    await super.transaction(work);
    return super.transaction(work);
  }
}

test('a kill before the COMMIT leaves no acceptance that settles nothing', async () => {
  await by(Killed, async (on) => {
    await expect(acceptFailed(on, {}, BECAUSE, 10)).rejects.toThrow('killed');
    await expect(acceptWindow(on, { jobId, windowId: 1 }, BECAUSE, 0)).rejects.toThrow('killed');
  });
  expect(await acceptances()).toEqual([]);
});

test('a COMMIT that went through unheard: one acceptance, told as it is', async () => {
  await by(HardOfHearing, async (on) => {
    expect(await acceptFailed(on, {}, BECAUSE, 3)).toEqual([{ code: 'poisoned', messages: 6 }]);
    expect(await acceptances()).toHaveLength(1);
    expect(await acceptWindow(on, { jobId, windowId: 1 }, BECAUSE, 0)).toBe(true);
  });
  expect(await acceptances()).toHaveLength(2);
  // What is accepted already, by others, leaves none.
  expect(await acceptWindow(database, { jobId, windowId: 1 }, BECAUSE, 0)).toBe(false);
  expect(await acceptFailed(database, {}, BECAUSE, 3)).toEqual([]);
  expect(await acceptances()).toHaveLength(2);
  expect(await contradictions(database)).toEqual([]);
});

test('by the id of a message, only its own batch is locked', async () => {
  const [, second] = await batchRows(database);
  await database.transaction(async (on) => {
    await on.rows('SELECT 1 FROM batch_progress WHERE batch_id = ? FOR UPDATE', [
      second?.batch_id ?? 0,
    ]);
    await by(Database, async (other) => {
      expect(await acceptFailed(other, { messageId: 'a1' }, BECAUSE, 3)).toMatchObject([
        { messages: 1 },
      ]);
      const scope = { messageId: 'a0', force: false, maxAttempts: 5 };
      expect(await requeueFailed(other, scope, 3)).toBe(1);
    });
  });
  expect(await contradictions(database)).toEqual([]);
});
