import { describe, expect, it } from 'vitest';
import { runBinary } from '../support/binary.js';
import { claimElsewhere, days, extracted, fail, statuses } from './support.js';

describe('process --job', () => {
  it('claims, requeues and judges that job alone', async () => {
    const here = await days();
    const { project } = here;
    await extracted(here, 1, 1);
    await fail(here, 1, 'missing');
    await extracted(here, 2, 2);
    await claimElsewhere(here, 2, 1, 3600);
    await extracted(here, 3, 3);
    const third = await runBinary(['process', '--job', '3', '--json'], project);
    expect(third.code, third.stderr).toBe(0);
    const nothingElse = { completed: 10, failed: 0, requeued: 0, remaining: 0 };
    expect(JSON.parse(third.stdout)).toMatchObject(nothingElse);
    expect(await statuses(here, 2)).toEqual({ pending: 5, in_progress: 5 });
    const second = await runBinary(['process', '--job', '2', '--json'], project);
    expect(second.code, second.stderr).toBe(4);
    expect(JSON.parse(second.stdout)).toMatchObject({ completed: 5, remaining: 5 });
    expect(second.stderr).toContain('elsewhere:1');
    const first = await runBinary(['process', '--job', '1'], project);
    expect(first.code).toBe(3);
    expect(first.stderr).toContain('10 messages are failed');
    // Without it, all jobs are meant.
    expect((await runBinary(['process'], project)).code).toBe(3);
  });

  it('last: the job that was extracted last, also where that is an older one', async () => {
    const here = await days();
    const { project } = here;
    await extracted(here, 2, 2);
    await extracted(here, 3, 3);
    await extracted(here, 2, 2);
    const flags = ['process', '--job', 'last', '--json'];
    const last = await runBinary([...flags, '--processes', '2'], project);
    expect(last.code, last.stderr).toBe(0);
    expect(await statuses(here, 1)).toEqual({ completed: 10 });
    expect(await statuses(here, 2)).toEqual({ pending: 10 });
    // Of the configured filter: nothing was extracted with this one.
    await project.configure({ source: { filter: { term: { text: '1' } } } });
    const none = await runBinary(flags, project);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('--job last: nothing was extracted yet over index');
  });

  it('refuses a job that is not there, one over another index, and a queue', async () => {
    const here = await days();
    const { project, index } = here;
    await extracted(here, 1, 1);
    const unknown = await runBinary(['process', '--job', '7'], project);
    expect([unknown.code, unknown.stdout]).toEqual([2, '']);
    expect(unknown.stderr).toContain('there is no job 7');
    await project.configure({ source: { index: `${index},${index}` } });
    const other = await runBinary(['process', '--job', '1'], project);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('job 1 is over another index than');
    await project.configure({
      queue: { url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/batches' },
    });
    const queued = await runBinary(['process', '--queue', '--job', '1'], project);
    expect(queued.code).toBe(2);
    expect(queued.stderr).toContain('--job does not go with --queue');
    const word = await runBinary(['process', '--job', 'first'], project);
    expect(word.code).toBe(2);
    expect(word.stderr).toContain('or last');
    expect(await statuses(here, 1)).toEqual({ pending: 10 });
  });
});
