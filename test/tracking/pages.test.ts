import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { releaseBatch } from '../../src/core/tracking/claims.js';
import type { Database } from '../../src/core/tracking/database.js';
import { overlappingJobs } from '../../src/core/tracking/overlaps.js';
import { requeueFailed } from '../../src/core/tracking/requeue.js';
import { openWindow, planWindows } from '../../src/core/tracking/windows.js';
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
  processAll,
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

const storedIds = async () =>
  (await messageRows(database)).map(({ id }) => id.toString('hex')).sort();
const totals = async () => (await batchRows(database)).map((batch) => batch.total_messages);
const jobRow = async (jobId: number) => {
  const [row] = await database.rows<{
    extracted: number;
    read: number;
    duplicates: number;
    pages: number;
  }>(
    `SELECT j.extracted, w.read_messages AS \`read\`, w.duplicates, c.pages FROM job_runs j
     JOIN extract_windows w ON w.job_id = j.job_id JOIN extract_cursors c ON c.job_id = j.job_id WHERE j.job_id = ?`,
    [jobId],
  );
  return row;
};

/** Ids that something on the way is tempted to change. */
const HOSTILE = [
  'a', 'A', 'a ', 'a  ', ' a', 'ä', 'a\u0308', 'ß', 'ss', '\0', 'a\0', 'a\0b', "'", "''", '"', '`', '\\', '\\0', "\\'",
  '%', '_', '?', '??', ':a', '--', '/*', ';', '\n', '\r\n', '\t', '\x1a', '\u{1F600}', '\u{1F600}'.repeat(128),
  '1', '01', '1.0', '1e0', 'NULL', 'true', '..', '/', '\u202e', '\ufeff', 'x'.repeat(512), `${'x'.repeat(511)} `,
]; // prettier-ignore

test('a full page of ids lands byte for byte, hostile ones included', async () => {
  const page = [...HOSTILE, ...ids(10_000 - HOSTILE.length, 'message ')];
  const { jobId, store } = await beginExtraction(database, { batchSize: 500 });
  expect(await store(page)).toEqual({ held: true, added: 10_000, batches: 20 });
  expect(await storedIds()).toEqual(page.map((id) => Buffer.from(id).toString('hex')).sort());
  expect(await jobRow(jobId)).toEqual({ extracted: 10_000, read: 10_000, duplicates: 0, pages: 1 });
  expect(await contradictions(database)).toEqual([]);
  // All of them once more, now in the way that meets what is there.
  expect(await store(page)).toEqual({ held: true, added: 0, batches: 0 });
  expect(await jobRow(jobId)).toEqual({ extracted: 10_000, read: 20_000, duplicates: 0, pages: 2 });
  expect(await contradictions(database)).toEqual([]);
});

test('the same page twice, as after a COMMIT that went through unheard, is stored once', async () => {
  const { jobId, store } = await beginExtraction(database);
  await store(ids(5), 0);
  expect(await store(ids(5), 0)).toEqual({ held: true, added: 0, batches: 0 });
  expect(await jobRow(jobId)).toEqual({ extracted: 5, read: 5, duplicates: 0, pages: 1 });
});

test('a page behind one that was never stored is refused', async () => {
  const { jobId, store } = await beginExtraction(database);
  expect(await store(ids(5), 1)).toMatchObject({ held: false, added: 0 });
  expect(await jobRow(jobId)).toMatchObject({ read: 0, pages: 0 });
  expect(await storedIds()).toEqual([]);
});

test("messages of another job are duplicates; one's own, met again, are not", async () => {
  const one = await beginExtraction(database, { day: 1 });
  const two = await beginExtraction(database, { day: 2 });
  await one.store(ids(7));
  expect(await two.store([...ids(7), 'new'])).toEqual({ held: true, added: 1, batches: 1 });
  expect(await jobRow(two.jobId)).toMatchObject({ extracted: 1, read: 8, duplicates: 7 });
  expect(await one.store([...ids(7), ...ids(2, 'b')])).toMatchObject({ added: 2 });
  expect(await jobRow(one.jobId)).toMatchObject({ extracted: 9, read: 16, duplicates: 0 });
  // By now the page is looked up before it is inserted.
  expect(await one.store([...ids(2, 'b'), 'new', 'c'])).toMatchObject({ added: 1 });
  expect(await jobRow(one.jobId)).toMatchObject({ extracted: 10, read: 20, duplicates: 1 });
  expect(await contradictions(database)).toEqual([]);
});

test('a message whose batch is lost is told at once, not taken for a race or an outage', async () => {
  const { store } = await beginExtraction(database, { batchSize: 3 });
  await store(ids(3));
  const [batch] = await batchRows(database);
  await database.change('DELETE FROM batch_progress');
  const refusal = {
    kind: 'usage',
    message: expect.stringContaining(`batch ${batch?.batch_id}, which is not there`) as string,
    advice: expect.stringContaining('es-migrate verify --level counts') as string,
  };
  await expect(store(['new', 'a1'])).rejects.toMatchObject(refusal);
  expect(await storedIds()).toHaveLength(3);
  // What it says to do helps.
  await database.change('DELETE FROM message_tracking WHERE batch_id = ?', [batch?.batch_id ?? 0]);
  expect(await store(['new', 'a1'], 1)).toMatchObject({ held: true, added: 2 });
});

test('which jobs hold the duplicates is stored with the page, and forgotten with the window', async () => {
  const [one, two, three] = [
    await beginExtraction(database, { day: 1 }),
    await beginExtraction(database, { day: 2 }),
    await beginExtraction(database, { day: 3 }),
  ];
  const overlaps = () =>
    database.rows<{ other: number; messages: number }>(
      'SELECT other_job_id AS other, messages FROM job_overlaps WHERE job_id = ? ORDER BY other_job_id',
      [three.jobId],
    );
  await one.store(ids(4, 'one '));
  await two.store(ids(3, 'two '));
  expect(await overlappingJobs(database, [three.jobId])).toEqual({ jobs: [], areAll: true });
  await three.store([...ids(4, 'one '), ...ids(2, 'two '), 'own']);
  await three.store(['two 2', 'own', 'another']);
  expect(await overlaps()).toEqual([
    { other: one.jobId, messages: 4 },
    { other: two.jobId, messages: 3 },
  ]);
  expect(await overlappingJobs(database, [three.jobId])).toEqual({
    jobs: [one.jobId, two.jobId],
    areAll: true,
  });
  expect(await overlappingJobs(database, [three.jobId, one.jobId])).toEqual({
    jobs: [two.jobId],
    areAll: true,
  });
  expect(await jobRow(three.jobId)).toMatchObject({ duplicates: 7 });
  await openWindow(database, three, 1, { pitId: 'another', expected: 1, slices: 1 });
  expect(await overlaps()).toEqual([]);
  expect(await overlappingJobs(database, [three.jobId])).toEqual({ jobs: [], areAll: true });
  // As a window that was read before this was stored.
  await database.change('UPDATE extract_windows SET duplicates = 7 WHERE job_id = ?', [
    three.jobId,
  ]);
  expect(await overlappingJobs(database, [three.jobId])).toEqual({ jobs: [], areAll: false });
  await planWindows(database, three, []);
  expect(await overlappingJobs(database, [three.jobId])).toEqual({ jobs: [], areAll: true });
});

test('the same id twice in a page is one message, and no duplicate; in two indices it is two', async () => {
  const one = await beginExtraction(database);
  expect(await one.store(['a', 'b', 'a'])).toMatchObject({ added: 2 });
  expect(await jobRow(one.jobId)).toEqual({ extracted: 2, read: 3, duplicates: 0, pages: 1 });
  const other = await beginExtraction(database, { index: 'other' });
  expect(await other.store(['a', 'b'])).toMatchObject({ added: 2 });
  expect(await jobRow(other.jobId)).toMatchObject({ duplicates: 0 });
  expect(await contradictions(database)).toEqual([]);
});

describe('batches', () => {
  test('are filled across pages', async () => {
    const { store } = await beginExtraction(database, { batchSize: 10 });
    expect(await store(ids(4, 'a'))).toMatchObject({ batches: 1 });
    expect(await store(ids(4, 'b'))).toMatchObject({ batches: 0 });
    expect(await totals()).toEqual([8]);
    expect(await store(ids(15, 'c'))).toMatchObject({ batches: 2 });
    expect(await totals()).toEqual([10, 10, 3]);
    expect(await store(ids(7, 'd'))).toMatchObject({ batches: 0 });
    expect(await store(ids(1, 'e'))).toMatchObject({ batches: 1 });
    expect(await totals()).toEqual([10, 10, 10, 1]);
    expect(await store([])).toEqual({ held: true, added: 0, batches: 0 });
    expect(await contradictions(database)).toEqual([]);
  });

  test('are left alone once claimed, even when given back', async () => {
    const { store } = await beginExtraction(database, { batchSize: 10 });
    await store(ids(4, 'a'));
    const batch = await claimed(database);
    await store(ids(4, 'b'));
    expect(await totals()).toEqual([4, 4]);
    await releaseBatch(database, batch);
    await claimed(database);
    await releaseBatch(database, await claimed(database));
    await store(ids(4, 'c'));
    expect(await totals()).toEqual([4, 4, 4]);
    expect(await contradictions(database)).toEqual([]);
  });

  test('are found where the server counts in steps, as the nodes of a cluster do', async () => {
    const node = openDatabase(trackingSettings(tracking.at), 1);
    try {
      await node.change('SET SESSION auto_increment_increment = 3, auto_increment_offset = 2');
      const { store } = await beginExtraction(node, { batchSize: 10 });
      expect(await store(ids(35))).toMatchObject({ batches: 4 });
      const [first = NaN, ...others] = (await batchRows(node)).map(({ batch_id }) => batch_id);
      expect(others.map((id) => id - first)).toEqual([3, 6, 9]);
      expect(await totals()).toEqual([10, 10, 10, 5]);
      expect(await contradictions(node)).toEqual([]);
    } finally {
      await node.close();
    }
  });

  test('of another job are left alone', async () => {
    const one = await beginExtraction(database, { day: 1 });
    const two = await beginExtraction(database, { day: 2 });
    await one.store(ids(4, 'a'));
    await two.store(ids(4, 'b'));
    await one.store(ids(4, 'c'));
    expect(
      (await batchRows(database)).map(({ job_id, total_messages }) => [job_id, total_messages]),
    ).toEqual([
      [one.jobId, 8],
      [two.jobId, 4],
    ]);
  });
});

test('jobs that store the same ids at the same time: each message once, counters exact', async () => {
  const jobs = await Promise.all([1, 2, 3].map((day) => beginExtraction(database, { day, batchSize: 70 })));
  const all = ids(3000);
  const pages = (shift: number) => {
    // Every job in another order.
    const turned = [...all.slice(shift), ...all.slice(0, shift)];
    return Array.from({ length: 6 }, (_, i) => turned.slice(i * 500, (i + 1) * 500));
  };
  const added = await Promise.all(
    jobs.map(async ({ store }, i) => {
      let sum = 0;
      for (const page of pages(i * 700)) sum += (await store(page)).added;
      return sum;
    }),
  );
  expect(added.reduce((sum, one) => sum + one, 0)).toBe(3000);
  expect(await storedIds()).toHaveLength(3000);
  expect(await contradictions(database)).toEqual([]);
  for (const [i, { jobId }] of jobs.entries()) {
    expect(await jobRow(jobId)).toEqual({
      extracted: added[i],
      read: 3000,
      duplicates: 3000 - (added[i] ?? 0),
      pages: 6,
    });
    // Also of those whose insert came in between, it is known whose they are.
    for (const [j, other] of jobs.entries()) {
      if (j === i) continue;
      const held = await database.rows<{ messages: number }>(
        `SELECT CAST(COUNT(*) AS UNSIGNED) AS messages FROM message_tracking t JOIN batch_progress b USING (batch_id)
         WHERE b.job_id = ?`, [other.jobId]);
      const known = await database.rows<{ messages: number }>(
        'SELECT messages FROM job_overlaps WHERE job_id = ? AND other_job_id = ?', [jobId, other.jobId]);
      expect(known).toEqual(held);
    }
  }
}); // prettier-ignore

test('a job whose failed messages are put back while more of it is stored: their batches stay apart', async () => {
  const { store } = await beginExtraction(database, { batchSize: 10 });
  await store(ids(600, 'failed '));
  await processAll(database, () => 'upload_failed');
  const storing = (async () => {
    for (let page = 0; page < 30; page += 1) await store(ids(95, `${page}-`));
  })();
  const requeued = requeueFailed(database, { force: false, maxAttempts: 5 }, 10);
  expect(await requeued).toBe(600);
  await storing;
  expect(await storedIds()).toHaveLength(600 + 30 * 95);
  expect((await totals()).every((total) => total > 0 && total <= 10)).toBe(true);
  expect(await contradictions(database)).toEqual([]);
});

test('claiming while a job is being stored takes no batch that is still growing apart', async () => {
  const { store } = await beginExtraction(database, { batchSize: 10 });
  let claims = 0;
  const storing = (async () => {
    for (let page = 0; page < 30; page += 1) await store(ids(7, `${page}-`));
  })();
  const claiming = (async () => {
    for (let tries = 0; tries < 60; tries += 1) {
      const batch = await claimBatch(database, 'worker:1', 300);
      if (!batch) continue;
      claims += batch.messages.length;
    }
  })();
  await Promise.all([storing, claiming]);
  for (let batch; (batch = await claimBatch(database, 'worker:1', 300));)
    claims += batch.messages.length;
  expect(claims).toBe(210);
  expect(await contradictions(database)).toEqual([]);
});

test('an id that does not fit fails its page, and nothing of it is stored', async () => {
  const { jobId, store } = await beginExtraction(database);
  await store(ids(3));
  await expect(store([...ids(3, 'b'), 'x'.repeat(513)])).rejects.toThrow(
    /would not store a message's id as it is/,
  );
  // Nor where what is left of it is there already.
  await store(['x'.repeat(512)], 1);
  await expect(store(['x'.repeat(513)], 2)).rejects.toThrow(/as it is/);
  expect(await totals()).toEqual([4]);
  expect(await jobRow(jobId)).toEqual({ extracted: 4, read: 4, duplicates: 0, pages: 2 });
});

test('an id that does not fit is found behind messages that are there already', async () => {
  const { store } = await beginExtraction(database, { batchSize: 500 });
  await store(ids(5000));
  await expect(store([...ids(5000), 'x'.repeat(513)], 1)).rejects.toThrow(/as it is/);
  expect(await totals()).toEqual(Array.from({ length: 10 }, () => 500));
});

test('who lost the lease stores nothing', async () => {
  const { jobId, lease, store } = await beginExtraction(database);
  await expireLease(database, 'job_runs', lease.token);
  // Run out, but taken over by nobody: still ours.
  expect(await store(ids(3))).toMatchObject({ held: true, added: 3 });
  await beginExtraction(database);
  expect(await store(ids(3, 'b'))).toEqual({ held: false, added: 0, batches: 0 });
  expect(await storedIds()).toHaveLength(3);
  expect(await jobRow(jobId)).toMatchObject({ extracted: 3, read: 0, pages: 0 });
});
