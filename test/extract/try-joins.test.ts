import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { MigrateError } from '../../src/core/errors.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import { extract } from '../../src/core/extract/extract.js';
import { related } from '../elasticsearch/support.js';
import { quietRun } from '../support/core.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { freshTracking, type Tracking } from '../support/tracking.js';
import { addMessages, connectTo, createIndex, withSource } from './messages.js';

const FROM = Date.UTC(2024, 9, 1);
const TO = FROM + 86_400_000;
const index = freshIndexPrefix();
let tracking: Tracking;

beforeAll(async () => {
  tracking = await freshTracking();
  await createIndex(index);
  await addMessages(index, [{ id: 'a', at: FROM, channel: 'sms' }]);
});
afterAll(() => tracking.drop());

const jobs = () => tracking.database.rows('SELECT job_id FROM job_runs');

test('joins are tried before a job is stored, and not again when it is resumed', async () => {
  // The messages are their own records: each has its own channel.
  const own = related('own', index, { key: 'channel', on: 'channel' });
  const on = await connectTo(tracking, { index, related: [own] });
  onTestFinished(() => on.close());
  const tried: number[] = [];
  const counting = (changes: Partial<Source> = {}) =>
    withSource(on, {
      probeJoins: async (...request) => {
        tried.push((await jobs()).length);
        return on.source.probeJoins(...request);
      },
      ...changes,
    });
  const read = (source: ReturnType<typeof counting>, to = TO) =>
    extract(quietRun(), source, { from: FROM, to, startDate: undefined, slices: 1, dryRun: false });

  const down = counting({
    readPage: () => Promise.reject(new MigrateError('unavailable', 'Elasticsearch was down')),
  });
  await expect(read(down)).rejects.toMatchObject({ kind: 'unavailable' });
  expect(tried).toEqual([0]);
  expect(await read(counting())).toMatchObject({ kind: 'done', jobs: [{ resumed: true }] });
  expect(tried).toEqual([0]);
  await read(counting(), TO + 1);
  expect(tried).toEqual([0, 1]);
});

test('nothing is stored where a join is refused, or the run is told to stop meanwhile', async () => {
  const before = await jobs();
  const stop = new AbortController();
  const said: string[] = [];
  const run = quietRun((event) => {
    if (event.type === 'log' && event.level === 'debug') said.push(event.message);
  }, stop.signal);
  const on = await connectTo(tracking, {
    index,
    related: [related('own', index, { key: 'channel' })],
  });
  onTestFinished(() => on.close());
  const options = { from: FROM, to: TO + 2, startDate: undefined, slices: 1 };
  for (const dryRun of [true, false]) {
    await expect(extract(run, on, { ...options, dryRun })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(
        '0 have records in ' + index + ' by _id, and 1 by channel (source.related.own)',
      ) as string,
    });
  }
  expect(said.join('\n')).toMatch(/probe of source\.related\.own: \d search\w*, \d+ ms of Elas/);
  const stopping = withSource(on, {
    probeJoins: (...request) => {
      stop.abort();
      return on.source.probeJoins(...request);
    },
  });
  expect(await extract(run, stopping, { ...options, dryRun: false })).toMatchObject({
    kind: 'stopped',
    jobs: [],
  });
  expect(await jobs()).toEqual(before);
});
