import { beforeEach, describe, expect, test } from 'vitest';
import { verifyJson, verifyLines } from '../../src/commands/verify-report.js';
import type { RunEvent } from '../../src/core/run.js';
import type { VerifyOptions } from '../../src/core/verify/types.js';
import { addMessages } from '../extract/messages.js';
import { sandboxCredentials } from '../objects/s3.js';
import { change } from '../end-to-end/landed.js';
import { quietRun } from '../support/core.js';
import { ids } from '../support/tracking.js';
import { DAY, extractNow, migrated, processNow, verifyNow, type Verified } from './support.js';

beforeEach(sandboxCredentials);

const MS = DAY.to - DAY.from;
/** So many days behind the first one, as an interval. */
const day = (days: number) => ({ from: DAY.from + days * MS, to: DAY.to + days * MS });
const OPTIONS: VerifyOptions = {
  level: 'counts',
  sample: 1,
  jobs: undefined,
  restart: false,
  repair: false,
  diffFile: undefined,
};
const linesOf = (outcome: Verified, options: Partial<VerifyOptions> = {}): string[] =>
  verifyLines(outcome, { ...OPTIONS, ...options }, []);
const warnings = () => {
  const told: string[] = [];
  const run = quietRun((event: RunEvent) => {
    if (event.type === 'log' && event.level === 'warn') told.push(event.message);
  });
  return { run, told };
};

describe('a time between jobs', () => {
  test('that belongs to none is counted, and named by the verdict', async () => {
    const { project, index } = await migrated({ ids: ids(5) });
    await addMessages(index, [
      ...ids(3, 'gap').map((id) => ({ id, at: day(1).from })),
      ...ids(2, 'later').map((id) => ({ id, at: day(2).from })),
    ]);
    await extractNow(project, day(2));
    await extractNow(project, day(400_000));
    await processNow(project);
    const outcome = await verifyNow(project, { level: 'counts' });
    // Neither the exit code nor the far future is changed by it.
    expect(outcome).toMatchObject({ ok: true, uncovered: [{ ...day(1), messages: 3 }] });
    const between = '2024-10-02T00:00:00.000Z and 2024-10-03T00:00:00.000Z';
    expect(linesOf(outcome).at(-1)).toContain(
      `; 3 messages between ${between} belong to no job and were not compared`,
    );
    expect(verifyJson(outcome)).toMatchObject({
      uncovered: [
        { from: '2024-10-02T00:00:00.000Z', to: '2024-10-03T00:00:00.000Z', messages: 3 },
      ],
    });
    await extractNow(project, day(1));
    await processNow(project);
    // It belongs to a job, though not to one of these.
    const some = await verifyNow(project, { level: 'counts', jobs: [1, 2] });
    expect(some).toMatchObject({ ok: true, uncovered: [] });
  });
});

describe('messages that jobs met as duplicates', () => {
  test('are told of only where those who hold them are not verified', async () => {
    const { project } = await migrated({ ids: ids(5) });
    await extractNow(project, { from: DAY.from - MS, to: DAY.to });
    // Of another index in the same database: nobody holds anything of it.
    await change(
      project,
      `INSERT INTO job_runs (start_date, end_date, status, source_index, date_field, job_key, scope_key)
       SELECT start_date, end_date, 'completed', 'other', date_field, REPEAT('k', 32), REPEAT('s', 32) FROM job_runs WHERE job_id = 1`,
    );
    const all = warnings();
    expect(await verifyNow(project, { level: 'counts' }, all.run)).toMatchObject({ ok: true });
    expect(all.told).toEqual([]);
    const one = warnings();
    await verifyNow(project, { level: 'counts', jobs: [2] }, one.run);
    expect(one.told).toEqual([
      '5 messages of the range are tracked by other jobs, which were not verified',
    ]);
  });
});

test('what is repaired is said to be what the level compares', async () => {
  const { project } = await migrated({ ids: ids(5) });
  const options = { level: 'objects', repair: true } as const;
  const outcome = await verifyNow(project, options);
  expect(linesOf(outcome, options).at(-1)).toBe(
    'Nothing is missing: what --level objects compares is repaired',
  );
});
