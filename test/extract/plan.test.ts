import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { extract } from '../../src/core/extract/extract.js';
import { cutWindows } from '../../src/core/extract/plan.js';
import { findOrCreateJob, leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { planWindows, type PlannedWindow } from '../../src/core/tracking/windows.js';
import { quietRun } from '../support/core.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { expireLease, freshTracking, messageRows, type Tracking } from '../support/tracking.js';
import { addMessages, connectTo, createIndex, type TestMessage } from './messages.js';

const FROM = Date.UTC(2024, 9, 1);
const TO = FROM + 1000;

let tracking: Tracking;
let on: Connections;

/** Two a millisecond at the start, a hundred in one single millisecond, and silence. */
const messages: TestMessage[] = [
  ...Array.from({ length: 100 }, (_, i) => ({ id: `early ${i}`, at: FROM + Math.floor(i / 2) })),
  ...Array.from({ length: 100 }, (_, i) => ({ id: `burst ${i}`, at: FROM + 700 })),
  { id: 'before', at: FROM - 1 },
  { id: 'after', at: TO },
];

beforeAll(async () => {
  tracking = await freshTracking();
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index);
  await addMessages(index, messages);
  on = await connectTo(tracking, { index });
});
afterAll(async () => {
  await on.close();
  await tracking.drop();
});

const cut = (most: number, to = TO): Promise<PlannedWindow[]> =>
  cutWindows(on.source, { from: FROM, to }, new AbortController().signal, most);

test('windows follow each other without a gap, and hold no more than they may', async () => {
  const windows = await cut(10);
  expect(windows[0]?.interval.from).toBe(FROM);
  expect(windows.at(-1)?.interval.to).toBe(TO);
  for (const [i, { interval, expected }] of windows.entries()) {
    const next = windows[i + 1];
    if (next) expect(next.interval.from).toBe(interval.to);
    expect(interval.to).toBeGreaterThan(interval.from);
    // A single millisecond cannot be cut.
    if (interval.to - interval.from > 1) expect(expected).toBeLessThanOrEqual(10);
  }
  expect(windows.reduce((sum, { expected }) => sum + expected, 0)).toBe(200);
  expect(windows.find(({ expected }) => expected === 100)?.interval).toEqual({
    from: FROM + 700,
    to: FROM + 701,
  });
});

test('what is small enough is not cut', async () => {
  expect(await cut(200)).toEqual([{ interval: { from: FROM, to: TO }, expected: 200 }]);
  expect(await cut(1, FROM + 1)).toEqual([{ interval: { from: FROM, to: FROM + 1 }, expected: 2 }]);
});

test('messages on the edges of windows are read once', async () => {
  const interval = { from: FROM, to: TO };
  const { index, dateField } = on.settings.source;
  const scope = { index, dateField, filter: undefined };
  const { jobId } = await findOrCreateJob(on.database, scope, interval, [index]);
  const lease = newLease('planner:1', 300);
  await leaseJob(on.database, jobId, lease);
  const windows = await cut(3);
  expect(windows.length).toBeGreaterThan(20);
  await planWindows(on.database, { jobId, lease }, windows);
  await expireLease(on.database, 'job_runs', lease.token);
  const outcome = await extract(quietRun(), on, {
    ...interval,
    startDate: undefined,
    slices: 2,
    dryRun: false,
  });
  expect(outcome).toMatchObject({
    kind: 'done',
    jobs: [{ jobId, status: 'completed', expected: 200, extracted: 200, duplicates: 0 }],
  });
  expect((await messageRows(tracking.database)).map(({ id }) => id.toString()).sort()).toEqual(
    messages
      .slice(0, 200)
      .map(({ id }) => id)
      .sort(),
  );
});
