import { describe, expect, it } from 'vitest';
import { bulkIndex, send } from '../../sandbox/sample/bulk.js';
import { runBinary } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import { days, range } from './support.js';

const MISTYPED = ['--from', '2023-10-01', '--to', '2023-10-31'];
const WHERE =
  /no message lies in the range: the values of timestamp in \S+ lie between 2024-10-01T10:00:00.000Z and 2024-10-09T10:00:00.000Z/;
const DATES = { first: '2024-10-01T10:00:00.000Z', last: '2024-10-09T10:00:00.000Z' };

describe('a range without messages', () => {
  it('is exit 3 for run, with where there are some; with --allow-empty it is 0', async () => {
    const { project } = await days();
    const run = await runBinary(['run', ...MISTYPED, '--json'], project);
    expect(run.code, run.stderr).toBe(3);
    expect(run.stderr.trim().split('\n').at(-1)).toMatch(WHERE);
    expect(run.stderr).toContain('--allow-empty');
    expect(JSON.parse(run.stdout)).toMatchObject({
      extract: { expected: 0, dates: DATES },
      process: { completed: 0, remaining: 0 },
      verify: { ok: true },
    });
    const again = await runBinary(['run', ...MISTYPED, '--allow-empty'], project);
    expect(again.code, again.stderr).toBe(0);
    const dry = await runBinary(['run', ...MISTYPED, '--dry-run'], project);
    expect(dry.code).toBe(3);
    expect(dry.stderr).toMatch(WHERE);
  });

  it('is warned about by extract, which ends with 0', async () => {
    const { project } = await days();
    for (const flags of [['--dry-run'], []]) {
      const ended = await runBinary(['extract', ...MISTYPED, '--json', ...flags], project);
      expect(ended.code, ended.stderr).toBe(0);
      expect(ended.stderr).toMatch(WHERE);
      expect(JSON.parse(ended.stdout)).toMatchObject({ expected: 0, dates: DATES });
    }
    const right = await runBinary(['extract', ...range(1, 1), '--json'], project);
    expect(JSON.parse(right.stdout)).not.toHaveProperty('dates');
    expect(right.stderr).not.toMatch(/no message lies/);
  });

  it('may lie in the future, or be the same once more', async () => {
    const { project } = await days({ startDate: '2023-10-01' });
    const future = await runBinary(['run', '--from', '2090-10-01'], project);
    expect(future.code, future.stderr).toBe(3);
    expect(future.stderr).toMatch(WHERE);
    for (let times = 0; times < 2; times += 1) {
      const run = await runBinary(['run', '--to', '2023-10-31'], project);
      expect(run.code, run.stderr).toBe(3);
      expect(run.stderr).toMatch(WHERE);
    }
  });

  it('is told for the filter, too, and where no document has a date', async () => {
    const { project } = await days({ source: { filter: { term: { 'text.keyword': 'none' } } } });
    const none = await runBinary(['run', ...range(1, 1)], project);
    expect(none.code).toBe(3);
    expect(none.stderr).toMatch(/no document of \S+ that match the filter has a timestamp/);
  });
});

describe('documents without a usable date', () => {
  it('are counted and told by extract and verify, and change no exit code', async () => {
    const { project, index } = await days();
    const { url } = sandbox().elasticsearch;
    await bulkIndex(url, [
      { index, id: 'undated/1', source: '{"text":"no date"}' },
      { index, id: 'undated/2', source: '{"timestamp":null,"text":"none either"}' },
    ]);
    await send(url, `${index}/_refresh`, 'POST');
    const dry = await runBinary(['extract', ...range(1, 9), '--json', '--dry-run'], project);
    expect(JSON.parse(dry.stdout)).toMatchObject({ expected: 90, undated: 2 });
    const run = await runBinary(['run', ...range(1, 9)], project);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/2 documents of \S+ have no usable date in timestamp/);
    expect(run.stdout.trim().split('\n').at(-1)).toMatch(
      /^Nothing is missing: .*; 2 documents have no usable date and lie in no range$/,
    );
    const verified = await runBinary(['verify', '--json'], project);
    expect(verified.code, verified.stderr).toBe(0);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: true, undated: 2 });
  });
});
