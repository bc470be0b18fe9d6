import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { acceptFailed } from '../../src/core/tracking/acceptances.js';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { releaseBatch, type ClaimedBatch } from '../../src/core/tracking/claims.js';
import type { Database } from '../../src/core/tracking/database.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { listStuck, resetBatch } from '../../src/core/tracking/stuck.js';
import {
  beginExtraction,
  clear,
  contradictions,
  expireLease,
  freshTracking,
  ids,
  messageRows,
  outcomesOf,
  type Extraction,
  type Tracking,
} from '../support/tracking.js';

let tracking: Tracking;
let database: Database;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
afterAll(() => tracking.drop());

const CODES = [undefined, undefined, 'upload_failed', 'no_source', 'missing'];

const step = fc.oneof(
  fc.record({ do: fc.constant('store' as const), job: fc.nat(1), first: fc.nat(60), count: fc.nat(25) }),
  fc.record({ do: fc.constant('claim' as const) }),
  fc.record({ do: fc.constant('complete' as const), which: fc.nat(9), salt: fc.nat(4), own: fc.boolean() }),
  fc.record({ do: fc.constant('release' as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant('expire' as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant('reset' as const) }),
  fc.record({
    do: fc.constant('requeue' as const),
    force: fc.boolean(),
    errorCode: fc.constantFrom(undefined, 'missing', 'upload_failed'),
    batchSize: fc.integer({ min: 1, max: 12 }),
  }),
  fc.record({
    do: fc.constant('accept' as const),
    errorCode: fc.constantFrom(undefined, 'missing', 'upload_failed'),
    batchSize: fc.integer({ min: 1, max: 12 }),
  }),
); // prettier-ignore

/** Everything that was ever claimed, lost claims included: what holders of old tokens try must change nothing. */
async function take(
  next: typeof step extends fc.Arbitrary<infer Step> ? Step : never,
  jobs: readonly Extraction[],
  claims: ClaimedBatch[],
  stored: Set<string>,
): Promise<void> {
  if (next.do === 'store') {
    const page = ids(next.first + next.count).slice(next.first);
    for (const id of page) stored.add(id);
    await jobs[next.job]?.store(page);
  } else if (next.do === 'claim') {
    const batch = await claimBatch(database, 'worker:1', 300);
    if (batch) claims.push(batch);
  } else if (next.do === 'reset') {
    for (const { batchId } of (await listStuck(database, 0)).batches)
      await resetBatch(database, batchId, 0);
  } else if (next.do === 'requeue') {
    const { force, errorCode, batchSize } = next;
    await requeueFailed(database, { force, errorCode, maxAttempts: 2 }, batchSize);
  } else if (next.do === 'accept') {
    const { errorCode, batchSize } = next;
    await acceptFailed(database, { errorCode }, { reason: 'gone', by: 'me@here' }, batchSize);
  } else {
    const batch = claims[next.which % claims.length];
    if (!batch) return;
    if (next.do === 'release') await releaseBatch(database, batch);
    else if (next.do === 'expire') await expireLease(database, 'batch_progress', batch.lease.token);
    else {
      const outcomes = outcomesOf(
        batch,
        (id) => CODES[(Number(id.slice(1)) + next.salt) % CODES.length],
      ).map((outcome) =>
        next.own && outcome.kind === 'completed'
          ? {
              ...outcome,
              object: { bytes: 1, sha256: Buffer.alloc(32, 7), etag: undefined, revision: 7 },
            }
          : outcome,
      );
      await completeBatch(database, batch, outcomes);
    }
  }
}

test('whatever happens in whatever order: counters equal rows after every step, and no message is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      await clear(database);
      const jobs = [
        await beginExtraction(database, { day: 1, batchSize: 7 }),
        await beginExtraction(database, { day: 2, batchSize: 10 }),
      ];
      const claims: ClaimedBatch[] = [];
      const stored = new Set<string>();
      for (const next of steps) {
        await take(next, jobs, claims, stored);
        expect(await contradictions(database)).toEqual([]);
      }
      const rows = (await messageRows(database)).map(({ id }) => id.toString());
      expect(rows.sort()).toEqual([...stored].sort());
    }),
    { numRuns: 25 },
  );
});
