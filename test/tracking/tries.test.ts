import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { claimBatch, claimNext, type Room } from '../../src/core/tracking/claim-next.js';
import {
  claimNamedBatch,
  releaseBatch,
  type ClaimedBatch,
  type NamedBatch,
} from '../../src/core/tracking/claims.js';
import { Database, type Statements } from '../../src/core/tracking/database.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { failBatch } from '../../src/core/tracking/poisoned.js';
import { ALL_JOBS } from '../../src/core/tracking/scope.js';
import { resetBatch } from '../../src/core/tracking/stuck.js';
import { excuseBatches, excuseClaim, spendTry } from '../../src/core/tracking/tries.js';
import {
  batchRows,
  beginExtraction,
  clear,
  contradictions,
  expireLease,
  freshTracking,
  ids,
  outcomesOf,
  trackingSettings,
  type Tracking,
} from '../support/tracking.js';

// What makes a batch poison: tries that nobody told the end of.

let tracking: Tracking;
let database: Database;
let named: NamedBatch;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
beforeEach(async () => {
  await clear(database);
  const { jobId, store } = await beginExtraction(database);
  await store(ids(3));
  const [row] = await batchRows(database);
  const batchId = row?.batch_id ?? 0;
  named = { jobId, batchId, mostTries: 3, excusedClaim: undefined, isAlone: true };
});
afterAll(() => tracking.drop());

const claim = (changes: Partial<NamedBatch> = {}, on = database) =>
  claimNamedBatch(on, 'worker:1', 300, { ...named, ...changes });

async function claimed(changes: Partial<NamedBatch> = {}): Promise<ClaimedBatch> {
  const found = await claim(changes);
  if (found.kind !== 'claimed') throw new Error(found.kind);
  return found.batch;
}

/** Claimed by a process that is gone without a word. */
async function died(changes: Partial<NamedBatch> = {}): Promise<ClaimedBatch> {
  const batch = await claimed(changes);
  await expireLease(database, 'batch_progress', batch.lease.token);
  return batch;
}

async function counted(): Promise<{ tries: number; suspect: number } | undefined> {
  const [row] = await database.rows<{ tries: number; suspect: number }>(
    'SELECT tries, suspect FROM batch_progress',
  );
  return row;
}

test('a batch is worn out once nobody has told the end of as many tries', async () => {
  await died();
  await died();
  const third = await died();
  expect(await claim()).toEqual({ kind: 'worn-out', tries: 3 });
  expect(await claim({ mostTries: 4 })).toMatchObject({ kind: 'claimed', batch: { claim: 4 } });
  expect(third.claim).toBe(3);
});

test('reset by hand, it is as suspect as before', async () => {
  await died();
  expect(await resetBatch(database, named.batchId, 0)).toBe(true);
  await claimed();
  expect(await counted()).toEqual({ tries: 1, suspect: 1 });
});

test('what was given back is no try, unless it may be the batch itself', async () => {
  await releaseBatch(database, await claimed());
  await releaseBatch(database, await claimed());
  expect(await counted()).toEqual({ tries: 0, suspect: 0 });
  await releaseBatch(database, await claimed(), true);
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
  await claimed();
  expect(await counted()).toEqual({ tries: 1, suspect: 1 });
});

test('a claim that is known to have ended for no fault of the batch is no try; another one is', async () => {
  const first = await died();
  const second = await died({ excusedClaim: first.claim });
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
  await died({ excusedClaim: first.claim });
  expect(second.claim).toBe(2);
  expect(await counted()).toEqual({ tries: 1, suspect: 1 });
});

test('batches that are excused later on are no longer suspect', async () => {
  await releaseBatch(database, await claimed(), true);
  await excuseBatches(database, [named.batchId]);
  expect(await counted()).toEqual({ tries: 0, suspect: 0 });
});

test('batches that are always among those that break are not excused for ever', async () => {
  await database.change('UPDATE batch_progress SET claims = 20');
  await releaseBatch(database, await claimed(), true);
  await excuseBatches(database, [named.batchId]);
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
});

test('claims by whoever takes any batch are tries as well, and as many wear it out', async () => {
  const next = (room: Room) =>
    claimNext(database, 'worker:1', 300, { scope: ALL_JOBS, room, mostTries: 3 });
  // New, it may have any number of others beside it; then half as many; then none.
  for (const [tries, needs] of (['one', 'half', 'all'] as const).entries()) {
    if (needs !== 'one') expect(await next('one')).toEqual({ kind: 'tried', needs });
    expect((await next(needs)).kind).toBe('claimed');
    await database.change('UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 2 SECOND');
    expect(await counted()).toEqual({ tries, suspect: 1 });
  }
  const { batchId, jobId } = named;
  expect(await next('all')).toEqual({ kind: 'worn-out', jobId, batchId, tries: 3 });
  expect(await next('half')).toEqual({ kind: 'tried', needs: 'all' });
  expect(await claim()).toEqual({ kind: 'worn-out', tries: 3 });
}); // prettier-ignore

test('whoever takes any batch takes those last that were tried before', async () => {
  await clear(database);
  const { store } = await beginExtraction(database, { batchSize: 3 });
  await store(ids(9));
  const [tried, released] = [
    await claimBatch(database, 'worker:1', 300),
    await claimBatch(database, 'worker:1', 300),
  ];
  await expireLease(database, 'batch_progress', tried?.lease.token ?? '');
  if (released) await releaseBatch(database, released, true);
  const order: (number | undefined)[] = [];
  for (let times = 0; times < 3; times += 1)
    order.push((await claimBatch(database, 'worker:2', 300))?.batchId);
  const others = (await batchRows(database)).map(({ batch_id }) => batch_id);
  expect(order).toEqual([others[2], released?.batchId, tried?.batchId]);
  expect(await claimBatch(database, 'worker:2', 300)).toBeUndefined();
});

test('a batch that was taken from a process that only stood still has no try of it', async () => {
  const first = await died();
  const second = await claimed();
  expect(await counted()).toEqual({ tries: 1, suspect: 1 });
  await excuseClaim(database, first);
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
  // It is only of use to the claim behind it, and once.
  await excuseClaim(database, first);
  await excuseClaim(database, second);
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
});

test('a try is excused or spent once, also where nobody hears that it was', async () => {
  await died();
  const second = await died();
  const third = await claimed();
  expect(await counted()).toEqual({ tries: 2, suspect: 1 });
  await unheard((on) => excuseClaim(on, second));
  expect(await counted()).toEqual({ tries: 1, suspect: 1 });
  await unheard((on) => spendTry(on, third.batchId));
  expect(await counted()).toEqual({ tries: 2, suspect: 1 });
});

/** Whatever is committed goes unheard, and is done once more. */
class HardOfHearing extends Database {
  override async change(...given: Parameters<Database['change']>) {
    await super.change(...given);
    return super.change(...given);
  }

  override async transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    await super.transaction(work);
    return super.transaction(work);
  }
}

async function unheard(work: (on: Database) => Promise<void>): Promise<void> {
  const policy = { retryForMs: 20_000, report: () => undefined };
  const deaf = new HardOfHearing(trackingSettings(tracking.at), policy, 1);
  try {
    await work(deaf);
  } finally {
    await deaf.close();
  }
}

test('one that was tried before is claimed only by who carries it alone', async () => {
  await died({ isAlone: false });
  expect(await claim({ isAlone: false })).toEqual({ kind: 'tried' });
  expect(await counted()).toEqual({ tries: 0, suspect: 1 });
  expect(await claim()).toMatchObject({ kind: 'claimed' });
});

test('carried, it has no tries any more', async () => {
  await died();
  const batch = await claimed();
  expect(await completeBatch(database, batch, outcomesOf(batch))).toBe(true);
  expect(await counted()).toEqual({ tries: 0, suspect: 0 });
  expect(await claim()).toEqual({ kind: 'finished' });
});

test('given up, it says so to whoever comes for it', async () => {
  await died();
  expect(await failBatch(database, named, 'nobody could')).toBe(3);
  expect(await claim()).toEqual({ kind: 'given-up' });
  expect(await failBatch(database, named, 'nobody could')).toBe('finished');
  expect(await contradictions(database)).toEqual([]);
});

test('a claim whose COMMIT went through unheard is one try', async () => {
  /** Hears of no first COMMIT. */
  await unheard(async (deaf) => {
    expect(await claim({}, deaf)).toMatchObject({ kind: 'claimed' });
    expect(await counted()).toEqual({ tries: 0, suspect: 1 });
  });
});
