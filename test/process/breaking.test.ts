import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { connect, type Connections } from '../../src/core/connect.js';
import { extract } from '../../src/core/extract/extract.js';
import type { Target } from '../../src/core/objects/target.js';
import { processBatches } from '../../src/core/process/process.js';
import type { Run } from '../../src/core/run.js';
import { bulk, createIndex } from '../elasticsearch/support.js';
import { quietRun, settingsFor } from '../support/core.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { clear, contradictions, freshTracking, ids, type Tracking } from '../support/tracking.js';
import { temporaryDirectory, withMethod } from './support.js';

// Errors nobody foresaw, with MySQL alone: whether it is the batches, or whatever they are processed with.

let tracking: Tracking;
let on: Connections;
let run: Run;
let logged: string[];

beforeAll(async () => {
  tracking = await freshTracking();
});
afterAll(() => tracking.drop());

/** So many batches of one message each. */
async function extracted(batches: number): Promise<void> {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { properties: { timestamp: { type: 'date' } } });
  const source = '{"timestamp":"2024-10-01T12:00:00Z"}';
  await bulk(
    index,
    ids(batches).map((id) => ({ id, source })),
  );
  const settings = settingsFor(tracking, {
    target: { kind: 'file', layout: 'message', directory: await temporaryDirectory() },
    source: {
      ...{ urls: [sandbox().elasticsearch.url], insecure: false, index },
      ...{ dateField: 'timestamp', related: [] },
    },
    batchSize: 1,
  });
  on = await connect(settings, { source: true, target: true }, run);
  const interval = { from: Date.UTC(2024, 9, 1), to: Date.UTC(2024, 9, 2) };
  await extract(run, on, { ...interval, startDate: undefined, slices: 1, dryRun: false });
}

beforeEach(async () => {
  await clear(tracking.database);
  logged = [];
  run = quietRun((event) => {
    if (event.type === 'log' && event.level === 'error') logged.push(event.message);
  });
});

/** One process, with these ids broken; it is one at a time unless said. */
async function processed(isBroken: (key: string) => boolean, concurrency = 1): Promise<string> {
  const put: Target['put'] = async (key, ...rest) => {
    if (isBroken(key)) throw new TypeError('nobody foresaw this');
    return on.target.put(key, ...rest);
  };
  const broken = new Proxy(on, {
    get: (of, asked) =>
      asked === 'target'
        ? withMethod(of.target, 'put', put)
        : (Reflect.get(of, asked, of) as unknown),
  });
  const options = { concurrency, maxBatches: undefined, maxRuntimeMs: undefined, watch: false, retryFailed: false }; // prettier-ignore
  try {
    const { completed, failed } = await processBatches(run, broken, options);
    return `${completed} completed, ${failed} failed`;
  } catch (error) {
    return (error as Error).message;
  }
}

const standing = () =>
  tracking.database.rows(
    'SELECT status, tries, suspect, COUNT(*) AS batches FROM batch_progress GROUP BY status, tries, suspect ORDER BY status, tries, suspect',
  );
const ending = (...names: string[]) => {
  const ends = names.map((name) => new RegExp(`${name}\\.json`));
  return (key: string) => ends.some((end) => end.test(key));
};

test.each([
  [1, 1],
  [2, 2],
  [3, 1],
  [6, 4],
])('where nothing can be processed, %i batches keep all their tries, however often it is begun', async (batches, concurrency) => {
  await extracted(batches);
  for (let times = 0; times < 25; times += 1)
    expect(await processed(() => true, concurrency)).toBe('nobody foresaw this');
  expect(await standing()).toEqual([{ status: 'pending', tries: 0, suspect: 0, batches }]);
  expect(await processed(() => false)).toBe(`${batches} completed, 0 failed`);
  expect(await contradictions(tracking.database)).toEqual([]);
  await on.close();
}); // prettier-ignore

test('two processes that break off over the same batches spend no try either', async () => {
  await extracted(2);
  for (let times = 0; times < 6; times += 1)
    await Promise.all([processed(() => true), processed(() => true)]);
  expect(await standing()).toEqual([{ status: 'pending', tries: 0, suspect: 0, batches: 2 }]);
  await on.close();
});

test('where others are processed, it is the batch: it is given up in the same run, and stops no other', async () => {
  await extracted(6);
  expect(await processed(ending('a0'))).toBe('5 completed, 1 failed');
  expect(logged.filter((line) => /is given back, and tried again: nobody foresaw this/.test(line))).toHaveLength(4);
  expect(logged.at(-1)).toMatch(/was tried 4 times, and no try came to its end.*; its 1 messages are failed/);
  expect(await contradictions(tracking.database)).toEqual([]);
  await on.close();
}); // prettier-ignore

test('three broken ones in front of all others do not keep these from being processed', async () => {
  await extracted(8);
  const isBroken = ending('a0', 'a1', 'a2');
  expect(await processed(isBroken)).toBe('nobody foresaw this');
  expect(await processed(isBroken)).toBe('nobody foresaw this');
  expect(await standing()).toMatchObject([
    { status: 'pending', tries: 0, suspect: 0, batches: 3 },
    { status: 'completed', batches: 5 },
  ]);
  await on.close();
});

test('nor do they keep their tries for ever where others were processed', async () => {
  await extracted(4);
  const claims = 'UPDATE batch_progress SET claims = 20';
  await tracking.database.change(claims);
  expect(await processed(ending('a1', 'a2', 'a3'))).toBe('nobody foresaw this');
  expect(await standing()).toMatchObject([
    { status: 'pending', suspect: 1, batches: 3 },
    { status: 'completed', batches: 1 },
  ]);
  await on.close();
});
