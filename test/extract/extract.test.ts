import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Connections } from '../../src/core/connect.js';
import { MigrateError } from '../../src/core/errors.js';
import { extract } from '../../src/core/extract/extract.js';
import type { ExtractOptions, ExtractOutcome } from '../../src/core/extract/types.js';
import type { Run } from '../../src/core/run.js';
import type { Settings, SourceSettings } from '../../src/core/settings.js';
import type { Database } from '../../src/core/tracking/database.js';
import { leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { quietRun } from '../support/core.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import {
  batchRows,
  claimed,
  clear,
  contradictions,
  expireLease,
  freshTracking,
  ids,
  messageRows,
  type Tracking,
} from '../support/tracking.js';
import {
  addMessages,
  alias,
  closePit,
  connectTo,
  createIndex,
  withSource,
  type TestMessage,
} from './messages.js';

const DAY = 86_400_000;
const FROM = Date.UTC(2024, 9, 1);
const TO = FROM + DAY;
/** More than one page. */
const SOME = 12_000;
/** More than two pages for each of two readers: one that is stopped after its first has read the second. */
const MANY = 45_000;

let tracking: Tracking;
let database: Database;
let prefix: string;
const opened: Connections[] = [];

beforeAll(async () => {
  tracking = await freshTracking();
  database = tracking.database;
  prefix = freshIndexPrefix();
  for (const [name, count] of [
    ['some', SOME],
    ['many', MANY],
  ] as const) {
    await createIndex(prefix + name, { shards: 2 });
    await addMessages(prefix + name, spread(count));
  }
});
beforeEach(() => clear(database));
afterEach(async () => {
  await Promise.all(opened.splice(0).map((on) => on.close()));
});
afterAll(() => tracking.drop());

/** Messages `a0`, `a1`, … evenly over the interval. */
function spread(count: number, name = 'a', from = FROM, to = TO): TestMessage[] {
  return ids(count, name).map((id, i) => ({
    id,
    at: from + Math.floor((i * (to - from)) / count),
  }));
}

let made = 0;
async function indexOf(messages: readonly TestMessage[]): Promise<string> {
  const index = `${prefix}${++made}`;
  await createIndex(index);
  if (messages.length > 0) await addMessages(index, messages);
  return index;
}

async function connected(
  index: string,
  changes: Partial<Settings> = {},
  source: Partial<SourceSettings> = {},
): Promise<Connections> {
  const on = await connectTo(tracking, { index, ...source }, { batchSize: 100, ...changes });
  opened.push(on);
  return on;
}

const read = (on: Connections, options: Partial<ExtractOptions> = {}, run: Run = quietRun()) =>
  extract(run, on, {
    from: FROM,
    to: TO,
    startDate: undefined,
    slices: 2,
    dryRun: false,
    ...options,
  });
/** A run, and what it logs. */
const listening = () => {
  const logged: string[] = [];
  const run = quietRun((event) => {
    if (event.type === 'log') logged.push(event.message);
  });
  return { run, logged };
};
const onlyJob = (outcome: ExtractOutcome) => {
  if (outcome.kind !== 'done' && outcome.kind !== 'stopped') throw new Error(outcome.kind);
  const [job, more] = outcome.jobs;
  if (!job || more) throw new Error(`${outcome.jobs.length} jobs`);
  return job;
};
const stored = async () => (await messageRows(database)).map(({ id }) => id.toString()).sort();
const jobs = () =>
  database.rows<{
    job_id: number;
    status: string;
    start_date: Date;
    next_run_date: Date | null;
    plain_key_index: string | null;
    lease_token: string | null;
  }>(
    'SELECT job_id, status, start_date, next_run_date, plain_key_index, lease_token FROM job_runs ORDER BY job_id',
  );
const windows = () =>
  database.rows<{
    status: string;
    expected: number;
    read_messages: number;
    pit_id: string | null;
    reason: string | null;
  }>(
    'SELECT status, expected, read_messages, pit_id, reason FROM extract_windows ORDER BY job_id, window_id',
  );
/** A run that is stopped as soon as a page is stored. */
const stoppedAfterAPage = () => {
  const stop = new AbortController();
  return quietRun((event) => {
    if (event.type === 'progress' && event.done > 0) stop.abort(new Error('stopped by the test'));
  }, stop.signal);
};

describe('the interval', () => {
  test('is half-open, to the millisecond', async () => {
    const index = await indexOf([
      { id: 'before', at: FROM - 1 },
      { id: 'from', at: FROM },
      { id: 'last', at: TO - 1 },
      { id: 'to', at: TO },
      { id: 'undated', at: '2024-09-30T23:59:59.999Z' },
      { id: 'zoned', at: '2024-10-01T01:00:00.000+02:00' },
      { id: 'zoned in', at: '2024-10-01T02:00:00.000+02:00' },
    ]);
    const outcome = await read(await connected(index));
    expect(onlyJob(outcome)).toMatchObject({
      status: 'completed',
      expected: 3,
      extracted: 3,
      batches: 1,
    });
    expect(await stored()).toEqual(['from', 'last', 'zoned in']);
  });

  test('may be empty of messages: the job is completed', async () => {
    const on = await connected(await indexOf([]));
    expect(onlyJob(await read(on))).toMatchObject({
      status: 'completed', expected: 0, extracted: 0, duplicates: 0, batches: 0, failedWindows: [],
    }); // prettier-ignore
    expect(await jobs()).toMatchObject([{ status: 'completed', next_run_date: new Date(TO) }]);
  });

  test('must not end before it starts', async () => {
    const on = await connected(await indexOf([]));
    await expect(read(on, { to: FROM - 1 })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('the range is empty') as string,
    });
    // An empty range is not an error.
    expect(await read(on, { to: FROM })).toMatchObject({
      kind: 'nothing-new',
      interval: { from: FROM, to: FROM },
    });
    expect(await jobs()).toEqual([]);
  });

  test('is only counted in a dry run', async () => {
    const on = await connected(await indexOf(spread(7)));
    expect(await read(on, { dryRun: true })).toMatchObject({
      kind: 'dry-run', interval: { from: FROM, to: TO }, expected: 7, related: [],
    }); // prettier-ignore
    expect(await jobs()).toEqual([]);
  });
});

describe.each([1, 2, 5])('%s slices', (slices) => {
  test('read every message once', async () => {
    const on = await connected(`${prefix}some`, { batchSize: 500 });
    expect(onlyJob(await read(on, { slices }))).toMatchObject({
      status: 'completed', expected: SOME, extracted: SOME, duplicates: 0, batches: SOME / 500,
    }); // prettier-ignore
    expect(await stored()).toEqual(ids(SOME).sort());
    expect(await contradictions(database)).toEqual([]);
    expect(await windows()).toMatchObject([
      { status: 'completed', read_messages: SOME, pit_id: null },
    ]);
    expect(await database.rows('SELECT 1 FROM extract_cursors')).toEqual([]);
  });
});

describe('stopped in the middle of a window', () => {
  const stopped = async (on: Connections) => {
    const job = onlyJob(await read(on, {}, stoppedAfterAPage()));
    expect(job.status).toBe('running');
    expect(job.extracted).toBeGreaterThan(0);
    expect(job.extracted).toBeLessThan(MANY);
    expect(await jobs()).toMatchObject([
      { status: 'running', lease_token: null, next_run_date: null },
    ]);
    const [window] = await windows();
    expect(window).toMatchObject({ status: 'reading', read_messages: job.extracted });
    if (!window?.pit_id) throw new Error('the window has no point in time');
    return { extracted: job.extracted, pitId: window.pit_id };
  };
  /** Counts how often a window is begun. */
  const counting = (on: Connections) => {
    const begun: number[] = [];
    const openWindow = (...request: Parameters<typeof on.source.openWindow>) => {
      begun.push(1);
      return on.source.openWindow(...request);
    };
    return { begun, on: withSource(on, { openWindow }) };
  };
  const whole = async (count = MANY) => {
    expect(await stored()).toEqual(ids(count).sort());
    expect(await contradictions(database)).toEqual([]);
    expect(await windows()).toMatchObject([
      { status: 'completed', expected: count, read_messages: count },
    ]);
  };

  test('it goes on where it stopped, under the same point in time', async () => {
    const on = await connected(`${prefix}many`);
    const { extracted } = await stopped(on);
    const counted = counting(on);
    expect(onlyJob(await read(counted.on))).toMatchObject({
      status: 'completed', resumed: true, expected: MANY, extracted: MANY - extracted, duplicates: 0,
    }); // prettier-ignore
    expect(counted.begun).toHaveLength(0);
    await whole();
  });

  test('with another number of slices, too', async () => {
    const on = await connected(`${prefix}many`);
    await stopped(on);
    expect(onlyJob(await read(on, { slices: 5 }))).toMatchObject({ status: 'completed' });
    await whole();
  });

  test('a lost point in time costs the window, no message and no duplicate', async () => {
    const on = await connected(`${prefix}many`);
    const { extracted, pitId } = await stopped(on);
    await closePit(pitId);
    const counted = counting(on);
    expect(onlyJob(await read(counted.on))).toMatchObject({
      status: 'completed', resumed: true, expected: MANY, extracted: MANY - extracted, duplicates: 0,
    }); // prettier-ignore
    expect(counted.begun).toHaveLength(1);
    await whole();
  });

  test('by a server that is down: the lease is given back, and the next run goes on', async () => {
    const on = await connected(`${prefix}some`);
    let pages = 0;
    const down = withSource(on, {
      readPage: (request) => {
        if (++pages === 2) throw new MigrateError('unavailable', 'Elasticsearch was down');
        return on.source.readPage(request);
      },
    });
    await expect(read(down, { slices: 1 })).rejects.toMatchObject({ kind: 'unavailable' });
    expect(await jobs()).toMatchObject([{ status: 'running', lease_token: null }]);
    expect(onlyJob(await read(on))).toMatchObject({ status: 'completed', resumed: true });
    await whole(SOME);
  });

  test('by losing its lease: it changes nothing any more, and says who has it', async () => {
    const on = await connected(`${prefix}some`);
    const other = newLease('other:2', 300);
    let pages = 0;
    const stalled = withSource(on, {
      readPage: async (request) => {
        if (++pages === 2) {
          const [job] = await jobs();
          await expireLease(database, 'job_runs', job?.lease_token ?? '');
          expect(await leaseJob(database, job?.job_id ?? 0, other)).toBe(true);
        }
        return on.source.readPage(request);
      },
    });
    expect(await read(stalled, { slices: 1 })).toMatchObject({ kind: 'busy', owner: 'other:2' });
    expect(await jobs()).toMatchObject([{ status: 'running', lease_token: other.token }]);
    expect((await windows())[0]?.status).toBe('reading');
    expect((await stored()).length).toBeLessThan(SOME);
  });

  test('by losing its lease after the last page: it closes neither window nor job', async () => {
    const on = await connected(`${prefix}some`);
    const other = newLease('other:2', 300);
    const stalled = withSource(on, {
      closePit: async () => {
        const [job] = await jobs();
        await expireLease(database, 'job_runs', job?.lease_token ?? '');
        await leaseJob(database, job?.job_id ?? 0, other);
      },
    });
    expect(await read(stalled)).toMatchObject({ kind: 'busy', owner: 'other:2' });
    expect(await jobs()).toMatchObject([{ status: 'running', lease_token: other.token, next_run_date: null }]);
    expect((await windows())[0]?.status).toBe('reading');
  }); // prettier-ignore
});

describe('the same range again', () => {
  test('adds nothing, and says so', async () => {
    const on = await connected(await indexOf(spread(250)));
    const first = onlyJob(await read(on));
    const before = [await batchRows(database), await messageRows(database)];
    expect(onlyJob(await read(on))).toMatchObject({
      jobId: first.jobId, status: 'completed', expected: 250, extracted: 0, duplicates: 0, batches: 0,
    }); // prettier-ignore
    expect([await batchRows(database), await messageRows(database)]).toEqual(before);
    expect(await jobs()).toHaveLength(1);
  });

  test('finds what arrived late', async () => {
    const index = await indexOf(spread(250));
    const on = await connected(index);
    await read(on);
    await addMessages(index, spread(53, 'late'));
    expect(onlyJob(await read(on))).toMatchObject({
      expected: 303,
      extracted: 53,
      duplicates: 0,
      batches: 1,
    });
    expect(await contradictions(database)).toEqual([]);
  });

  test('as part of a wider one meets duplicates', async () => {
    const on = await connected(await indexOf([...spread(50), ...spread(20, 'b', TO, TO + DAY)]));
    await read(on);
    expect(onlyJob(await read(on, { to: TO + DAY }))).toMatchObject({
      expected: 70, extracted: 20, duplicates: 50,
    }); // prettier-ignore
    expect(await stored()).toHaveLength(70);
  });

  test('while it is being read elsewhere, is busy', async () => {
    const on = await connected(await indexOf(spread(5)));
    const { jobId } = onlyJob(await read(on));
    expect(await leaseJob(database, jobId, newLease('other:2', 300))).toBe(true);
    expect(await read(on)).toMatchObject({ kind: 'busy', jobId, owner: 'other:2' });
    // As is the next one, which would have to begin with finishing it.
    expect(await read(on, { from: undefined, to: undefined })).toMatchObject({
      kind: 'busy',
      jobId,
    });
    await database.change('UPDATE job_runs SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND');
    expect(onlyJob(await read(on))).toMatchObject({ status: 'completed', extracted: 0 });
  });

  test('by two at the same moment: each message once, and the job ends completed', async () => {
    const on = await connected(await indexOf(spread(250)));
    const outcomes = await Promise.all([read(on), read(on), read(on)]);
    expect(outcomes.some(({ kind }) => kind === 'done')).toBe(true);
    const extracted = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? outcome.jobs : []));
    expect(extracted.reduce((sum, job) => sum + job.extracted, 0)).toBe(250);
    expect(await stored()).toEqual(ids(250).sort());
    expect(await jobs()).toMatchObject([{ status: 'completed' }]);
  });
});

describe('without --from', () => {
  const open = { from: undefined, to: undefined };

  test('the last completed job’s end is where it starts; before there is one, startDate', async () => {
    const on = await connected(await indexOf([...spread(5), ...spread(5, 'b', TO, TO + DAY)]));
    await expect(read(on, { from: undefined })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('nothing says where to start') as string,
    });
    const first = onlyJob(await read(on, { from: undefined, startDate: FROM }));
    expect(first).toMatchObject({ interval: { from: FROM, to: TO }, extracted: 5 });
    const second = onlyJob(await read(on, { from: undefined, to: TO + DAY, startDate: FROM }));
    expect(second).toMatchObject({
      interval: { from: TO, to: TO + DAY },
      extracted: 5,
      duplicates: 0,
    });
    expect(await jobs()).toMatchObject([
      { next_run_date: new Date(TO) },
      { next_run_date: new Date(TO + DAY) },
    ]);
    expect(await read(on, { from: undefined, to: TO + DAY })).toMatchObject({
      kind: 'nothing-new', interval: { from: TO + DAY, to: TO + DAY },
    }); // prettier-ignore
    // Reading the first range again does not move the start back.
    await read(on);
    expect(await read(on, { from: undefined, to: TO + DAY })).toMatchObject({
      kind: 'nothing-new',
    });
  });

  test('and without --to it ends `settle` before now', async () => {
    const on = await connected(await indexOf([]), { settleMs: 60_000 });
    const now = TO + 60_000;
    const run: Run = { ...quietRun(), clock: { now: () => now } };
    expect(onlyJob(await read(on, { ...open, startDate: FROM }, run)).interval).toEqual({
      from: FROM,
      to: TO,
    });
    expect(await read(on, open, run)).toMatchObject({ kind: 'nothing-new' });
  });

  test('and a mistyped year, which lies in the future, keeps the next one from nothing', async () => {
    const on = await connected(await indexOf([...spread(5), ...spread(3, 'b', TO, TO + DAY)]));
    await read(on);
    const later = Date.UTC(2942, 9, 1);
    expect(await read(on, { from: later, to: later + DAY })).toMatchObject({ kind: 'done' });
    const { run, logged } = listening();
    expect(onlyJob(await read(on, open, run))).toMatchObject({
      interval: { from: TO }, expected: 3, extracted: 3,
    }); // prettier-ignore
    expect(logged.filter((message) => message.includes('no job covers'))).toEqual([]);
  });

  test('and a gap that this very extraction reads is none', async () => {
    const on = await connected(await indexOf(spread(5)));
    await read(on, { from: TO - DAY / 2 });
    await read(on, { from: FROM, to: FROM + DAY / 4 });
    const { run, logged } = listening();
    await read(on, { from: undefined, to: TO - DAY / 2 }, run);
    expect(logged.filter((message) => message.includes('no job covers'))).toEqual([]);
  });

  test('an unfinished job is finished first, then what follows is read', async () => {
    const on = await connected(`${prefix}many`);
    const unfinished = onlyJob(await read(on, {}, stoppedAfterAPage()));
    const outcome = await read(on, { from: undefined, to: TO + DAY });
    expect(outcome).toMatchObject({
      kind: 'done',
      jobs: [
        {
          jobId: unfinished.jobId,
          resumed: true,
          status: 'completed',
          interval: { from: FROM, to: TO },
        },
        { resumed: false, status: 'completed', interval: { from: TO, to: TO + DAY }, extracted: 0 },
      ],
    });
    expect(await stored()).toEqual(ids(MANY).sort());
  });

  test('after an unfinished one, a job made since then says where it goes on', async () => {
    const on = await connected(await indexOf(spread(5)));
    await leaseJob(database, onlyJob(await read(on)).jobId, newLease('dead:1', 300));
    await read(on, { from: TO, to: TO + DAY });
    await database.change(
      'UPDATE job_runs SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND WHERE lease_token IS NOT NULL',
    );
    expect(onlyJob(await read(on, { from: undefined, to: TO + DAY }))).toMatchObject({
      interval: { from: FROM, to: TO }, resumed: true, status: 'completed',
    }); // prettier-ignore
  });

  test('with --from alone, too, the job that starts there', async () => {
    const on = await connected(`${prefix}many`);
    const unfinished = onlyJob(await read(on, {}, stoppedAfterAPage()));
    const run: Run = { ...quietRun(), clock: { now: () => TO } };
    expect(onlyJob(await read(on, { to: undefined }, run))).toMatchObject({
      jobId: unfinished.jobId, resumed: true, status: 'completed',
    }); // prettier-ignore
  });

  test('a job of another filter, field or index says nothing', async () => {
    const index = await indexOf(spread(5));
    await read(await connected(index));
    const filtered = await connected(index, {}, { filter: '{"term":{"channel":"sms"}}' });
    await expect(read(filtered, { from: undefined })).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('what cannot be read whole', () => {
  /** Each page lacks its last hit. */
  const short = (on: Connections) =>
    withSource(on, {
      readPage: async (request) => {
        const page = await on.source.readPage(request);
        return page === 'pit-lost' ? page : { ...page, messages: page.messages.slice(0, -1) };
      },
    });

  test('fails the job, names the window, and moves no date; the next run reads it again', async () => {
    const on = await connected(await indexOf(spread(9)));
    expect(onlyJob(await read(short(on)))).toMatchObject({
      status: 'failed',
      failedWindows: [
        {
          interval: { from: FROM, to: TO },
          reason: 'read 8 messages where Elasticsearch counts 9',
        },
      ],
    });
    expect(await jobs()).toMatchObject([
      { status: 'failed', next_run_date: null, lease_token: null },
    ]);
    expect(await windows()).toMatchObject([
      { status: 'failed', reason: 'read 8 messages where Elasticsearch counts 9' },
    ]);
    expect(onlyJob(await read(on, { from: undefined }))).toMatchObject({
      resumed: true, status: 'completed', extracted: 1, failedWindows: [],
    }); // prettier-ignore
    expect(await stored()).toEqual(ids(9));
    expect(await jobs()).toMatchObject([{ status: 'completed', next_run_date: new Date(TO) }]);
  });

  test('what follows is not begun, so that no gap opens', async () => {
    const on = await connected(await indexOf(spread(9)));
    await read(short(on));
    const outcome = await read(short(on), { from: undefined, to: TO + DAY });
    expect(onlyJob(outcome)).toMatchObject({ status: 'failed', interval: { from: FROM, to: TO } });
    expect(await jobs()).toHaveLength(1);
  });

  test('once only is read again at once', async () => {
    const on = await connected(await indexOf(spread(9)));
    const spoiled = short(on);
    let pages = 0;
    const once = withSource(on, {
      readPage: (request) => (++pages === 1 ? spoiled : on).source.readPage(request),
    });
    expect(onlyJob(await read(once))).toMatchObject({
      status: 'completed',
      expected: 9,
      extracted: 9,
    });
  });
});

describe('indices', () => {
  test('a pattern stands for several: the same id in two of them is two messages', async () => {
    const family = `${prefix}family-${++made}`;
    for (const [name, count] of [['one', 5], ['two', 3]] as const) {
      await createIndex(`${family}-${name}`);
      await addMessages(`${family}-${name}`, spread(count));
    } // prettier-ignore
    const on = await connected(`${family}-*`);
    expect(onlyJob(await read(on))).toMatchObject({ expected: 8, extracted: 8, duplicates: 0 });
    const batch = await claimed(database);
    expect(batch.plainKeyIndex).toBeUndefined();
    const names = batch.messages.map(
      ({ id, index }) => `${index.slice(family.length)}/${id.toString()}`,
    );
    expect(names.sort()).toEqual([...ids(5, '-one/a'), ...ids(3, '-two/a')]);
  });

  test('an alias stands for its index, whose name is kept; a filter narrows it', async () => {
    const index = await indexOf([
      { id: 'sms', at: FROM, channel: 'sms' },
      { id: 'mail', at: FROM, channel: 'mail' },
    ]);
    await alias(index, `${index}-alias`);
    const on = await connected(`${index}-alias`, {}, { filter: '{"term":{"channel":"sms"}}' });
    expect(onlyJob(await read(on))).toMatchObject({ expected: 1, extracted: 1 });
    const batch = await claimed(database);
    expect(batch.plainKeyIndex).toBe(index);
    expect(batch.messages.map(({ id, index: name }) => [id.toString(), name])).toEqual([
      ['sms', index],
    ]);
  });

  test('keys leave out the one index of the first job; a job over another index names it', async () => {
    const [one, two] = [await indexOf(spread(2)), await indexOf(spread(2))];
    await read(await connected(one));
    await read(await connected(two));
    await read(await connected(one), { from: TO, to: TO + DAY });
    expect((await jobs()).map((job) => job.plain_key_index)).toEqual([one, null, one]);
  });

  test('two first jobs at the same moment: one of them leaves its index out', async () => {
    const indices = await Promise.all(Array.from({ length: 4 }, () => indexOf(spread(2))));
    const each = await Promise.all(indices.map((index) => connected(index)));
    await Promise.all(each.map((on) => read(on)));
    expect((await jobs()).filter((job) => job.plain_key_index !== null)).toHaveLength(1);
  });
});
