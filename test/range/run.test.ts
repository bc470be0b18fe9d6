import { describe, expect, it } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import {
  claimElsewhere,
  days,
  extracted,
  fail,
  giveBackElsewhere,
  range,
  statuses,
  type Days,
} from './support.js';

/** Job 1 with the days 1 to 3, of which job 2 meets two; job 3 has nothing to do with them, and cannot be finished. */
async function overlapping(): Promise<Days> {
  const here = await days();
  await extracted(here, 7, 7);
  await fail(here, 1, 'missing');
  await extracted(here, 8, 8);
  await extracted(here, 1, 3);
  return here;
}
const [FAILED, PENDING, EARLIER, LATER] = [1, 2, 3, 4];

interface Result {
  readonly jobs: { readonly own: number[]; readonly met: number[] };
  readonly process: Record<string, number>;
  readonly verify: { ok: boolean; checked: number; failed: number } | null;
}
const resultOf = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as Result;

describe('run over a range whose messages another job has in part', () => {
  it.each(['1', '2'])(
    'processes, waits for, verifies and judges both, and no third, with %s processes',
    async (processes) => {
      const here = await overlapping();
      const { project } = here;
      // Two batches of six that failed and are tried again, one whose lease ran out, one that is held; two wait.
      await claimElsewhere(here, EARLIER, 4, -5);
      await fail(here, EARLIER, 'upload_failed');
      await change(
        project,
        `UPDATE batch_progress SET lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR WHERE status = 'in_progress'
         ORDER BY batch_id LIMIT 1`,
      );
      const flags = ['run', ...range(2, 4), '--json', '--processes', processes];
      const running = startBinary(flags, project);
      await running.shows(/waiting for others: 1 batch is held; the lease of elsewhere:1 runs out/);
      expect(await statuses(here, EARLIER)).toEqual({ completed: 25, in_progress: 5 });
      await giveBackElsewhere(here);
      const ended = await running.ended;
      expect(ended.code, ended.stderr).toBe(0);
      expect(resultOf(ended)).toMatchObject({
        jobs: { own: [LATER], met: [EARLIER] },
        process: { completed: 40, failed: 0, requeued: 10, remaining: 0 },
        verify: { ok: true, checked: 40, failed: 0 },
      });
      expect(await statuses(here, FAILED)).toEqual({ failed: 10 });
      expect(await statuses(here, PENDING)).toEqual({ pending: 10 });
      // Again: the same jobs, though nothing is added.
      const again = await runBinary(flags, project);
      expect(again.code, again.stderr).toBe(0);
      expect(resultOf(again)).toMatchObject({
        jobs: { own: [LATER], met: [EARLIER] },
        process: { completed: 0, remaining: 0 },
        verify: { ok: true, checked: 40 },
      });
    },
  );

  it('takes over what runs out while it waits', async () => {
    const here = await overlapping();
    await claimElsewhere(here, EARLIER, 2, 4);
    const ended = await runBinary(['run', ...range(3, 4), '--json'], here.project);
    expect(ended.code, ended.stderr).toBe(0);
    expect(resultOf(ended)).toMatchObject({ process: { completed: 40 }, verify: { ok: true } });
  });

  it('is judged by the other job, too', async () => {
    const here = await overlapping();
    await fail(here, EARLIER, 'missing');
    const ended = await runBinary(['run', ...range(3, 4), '--json'], here.project);
    expect(ended.code).toBe(3);
    expect(resultOf(ended)).toMatchObject({ process: { completed: 10 }, verify: { failed: 30 } });
    expect(ended.stderr).toContain('30 messages are failed');
    // A later day has nothing to do with it.
    const later = await runBinary(['run', ...range(5, 5), '--json'], here.project);
    expect(later.code, later.stderr).toBe(0);
    expect(resultOf(later)).toMatchObject({ jobs: { own: [5], met: [] }, verify: { ok: true } });
  });

  it('ends its waiting by --max-runtime, and by a signal', async () => {
    const here = await overlapping();
    const { project } = here;
    await claimElsewhere(here, EARLIER, 1, 3600);
    const flags = ['run', ...range(3, 4), '--json'];
    // What it could do itself is done, so that only waiting is left.
    await extracted(here, 3, 4);
    expect((await runBinary(['process', '--no-retry-failed'], project)).code).toBe(3);
    const short = await runBinary([...flags, '--max-runtime', '10s'], project);
    expect(short.code, short.stderr).toBe(4);
    expect(resultOf(short)).toMatchObject({ process: { remaining: 5 }, verify: null });
    expect(short.stderr).toContain('elsewhere:1 holds batches until');
    const running = startBinary(flags, project);
    await running.shows(/waiting for others/);
    running.child.kill('SIGTERM');
    expect(await running.ended).toMatchObject({ code: 143 });
  });

  it('takes in all jobs over the index where an earlier version read the range', async () => {
    const here = await overlapping();
    const { project } = here;
    await extracted(here, 3, 4);
    // As if it had been stopped before its end, by a version that did not store which jobs it met.
    await change(project, `UPDATE job_runs SET status = 'running' WHERE job_id = ${LATER}`);
    await change(project, 'DELETE FROM job_overlaps');
    const ended = await runBinary(['run', ...range(3, 4), '--json'], project);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toContain('did not store which jobs had its messages already');
    expect(resultOf(ended)).toMatchObject({
      jobs: { own: [LATER], met: [FAILED, PENDING, EARLIER] },
      process: { completed: 50 },
    });
  });

  it('says which messages another configuration has to process', async () => {
    const here = await overlapping();
    const { project, index } = here;
    await project.configure({ source: { index: `${index}*` }, batchSize: 5 });
    const ended = await runBinary(['run', ...range(3, 4), '--json'], project);
    expect(ended.code).toBe(3);
    expect(resultOf(ended)).toMatchObject({
      jobs: { own: [LATER], met: [] },
      process: { completed: 10, remaining: 0 },
      verify: { ok: true },
    });
    expect(ended.stderr).toContain(
      `10 messages of the range belong to job ${EARLIER} over another index`,
    );
  });
});

describe('run while the same range is extracted elsewhere', () => {
  it('waits until that is over', async () => {
    const here = await days();
    const { project } = here;
    await extracted(here, 1, 2);
    await change(
      project,
      `UPDATE job_runs SET status = 'running', lease_token = REPEAT('b', 32), lease_owner = 'elsewhere:2',
              lease_expires_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR`,
    );
    const flags = ['run', ...range(1, 2), '--json'];
    const short = await runBinary([...flags, '--max-runtime', '2s'], project);
    expect(short.code, short.stderr).toBe(4);
    const running = startBinary(flags, project);
    await running.shows(/waiting for others: 1 extraction is held; the lease of elsewhere:2/);
    await change(
      project,
      'UPDATE job_runs SET lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL',
    );
    const ended = await running.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(resultOf(ended)).toMatchObject({ process: { completed: 20 }, verify: { ok: true } });
  });
});

describe('run without --from', () => {
  it('goes on with what an earlier run left, and leaves alone what failed for good', async () => {
    const here = await days({ startDate: '2024-10-01' });
    const { project } = here;
    const first = await runBinary(['run', '--to', '2024-10-02', '--max-batches', '1'], project);
    expect(first.code, first.stderr).toBe(0);
    expect(await statuses(here, 1)).toEqual({ completed: 5, pending: 15 });
    const flags = ['run', '--json', '--to'];
    const second = await runBinary([...flags, '2024-10-03'], project);
    expect(second.code, second.stderr).toBe(0);
    expect(resultOf(second)).toMatchObject({ jobs: { own: [1, 2] }, process: { completed: 25 } });
    // Nothing is new: the same once more, about the last job.
    const third = await runBinary([...flags, '2024-10-03'], project);
    expect(third.code, third.stderr).toBe(0);
    expect(resultOf(third)).toMatchObject({ jobs: { own: [2] }, verify: { checked: 10 } });
    await change(
      project,
      `UPDATE message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id
       SET t.status = 'failed', t.attempts = 1, t.error_code = 'missing', b.processed = 0, b.failed = 5, b.status = 'failed'
       WHERE b.batch_id = 1`,
    );
    const fourth = await runBinary([...flags, '2024-10-04'], project);
    expect(fourth.code, fourth.stderr).toBe(0);
    expect(resultOf(fourth)).toMatchObject({ jobs: { own: [3] }, process: { completed: 10 } });
    expect(
      await query(project, "SELECT 1 FROM batch_progress WHERE status = 'failed'"),
    ).toHaveLength(1);
  });
});
