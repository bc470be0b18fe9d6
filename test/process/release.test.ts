import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Releases } from '../../src/core/process/release.js';
import type { Database } from '../../src/core/tracking/database.js';
import { connectionsTo, quietRun } from '../support/core.js';
import {
  beginExtraction,
  claimed,
  clear,
  contradictions,
  expireLease,
  freshTracking,
  ids,
  type Tracking,
} from '../support/tracking.js';

// An outage of MySQL is no try of the batches in hand.

let tracking: Tracking;
let database: Database;
let logged: string[];
let releases: Releases;

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
});
beforeEach(async () => {
  await clear(database);
  await (await beginExtraction(database)).store(ids(10));
  logged = [];
  const run = quietRun((event) => {
    if (event.type === 'log') logged.push(event.message);
  });
  releases = new Releases(run, connectionsTo(tracking));
});
afterAll(() => tracking.drop());

/** MySQL refuses what happens in between. */
async function refused(work: () => Promise<unknown>): Promise<void> {
  await database.change(
    `CREATE TRIGGER down BEFORE UPDATE ON batch_progress FOR EACH ROW
     IF NEW.status = 'pending' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'down'; END IF`,
  );
  try {
    await work();
  } finally {
    await database.change('DROP TRIGGER down');
  }
}

const standing = () => database.rows('SELECT status, claims, tries, suspect FROM batch_progress');

test('what MySQL could not be told is told before the next claim', async () => {
  const batch = await claimed(database);
  await refused(async () => {
    await releases.release(batch, false);
    await releases.tellRest();
  });
  expect(logged).toEqual([expect.stringMatching(/^batch \d+ is not released; the next run on this host takes it over .*, others do when its lease has run out: .*down/)]);
  expect(await standing()).toEqual([{ status: 'in_progress', claims: 1, tries: 0, suspect: 1 }]);
  await releases.tellRest();
  expect(await standing()).toEqual([{ status: 'pending', claims: 1, tries: 0, suspect: 0 }]);
  expect(await contradictions(database)).toEqual([]);
}); // prettier-ignore

test.each([
  [false, 0],
  [true, 1],
])('told too late, when another has claimed it; the batch itself broke off: %s', async (isSuspect, tries) => {
  const batch = await claimed(database);
  await refused(() => releases.release(batch, isSuspect));
  await expireLease(database, 'batch_progress', batch.lease.token, 2);
  await claimed(database, 'worker:2');
  expect(await standing()).toEqual([{ status: 'in_progress', claims: 2, tries: 1, suspect: 1 }]);
  await releases.tellRest();
  await releases.tellRest();
  expect(await standing()).toEqual([{ status: 'in_progress', claims: 2, tries, suspect: 1 }]);
}); // prettier-ignore
