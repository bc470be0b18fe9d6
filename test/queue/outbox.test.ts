import { beforeEach, expect, test } from 'vitest';
import { withLock } from '../../src/core/tracking/lock.js';
import { change } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import { quietRun } from '../support/core.js';
import { ids } from '../support/tracking.js';
import { batchesOf, NO_MESSAGES } from './queues.js';
import { batches, connectedToQueue, extractToQueue, queued } from './support.js';

beforeEach(sandboxCredentials);

const RANGE = ['--from', '2024-10-01', '--to', '2024-10-01'];

test('a message for each batch, once', async () => {
  const { project, queue } = await queued({ ids: ids(45) });
  await extractToQueue(project);
  expect(batchesOf(await queue.drain())).toEqual([1, 2, 3, 4, 5]);
  expect((await batches(project)).every(({ isQueued }) => isQueued)).toBe(true);
  await extractToQueue(project);
  expect(await queue.drain()).toEqual([]);
});

test.each(['messages-sent', 'messages-marked', 'job-closed'] as const)(
  'an extraction killed at %s loses none: the next one sends what was not marked',
  async (step) => {
    const { project, queue } = await queued({ ids: ids(45) });
    const options = { cwd: project.cwd, env: project.env };
    const killed = await runBinary(['extract', ...RANGE], {
      ...options,
      env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: `SIGKILL ${step} 1` },
      preload: ['stop-at.mjs'],
    });
    expect(killed.code).toBe(137);
    const before = new Set(batchesOf(await queue.drain()));
    const marked = (await batches(project)).filter(({ isQueued }) => isQueued);
    for (const { batch_id } of marked) expect(before).toContain(batch_id);
    await change(project, `UPDATE job_runs SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND`);
    const again = await runBinary(['extract', ...RANGE], options);
    expect(again).toMatchObject({ code: 0 });
    const all = new Set([...before, ...batchesOf(await queue.drain())]);
    expect([...all].sort()).toEqual((await batches(project)).map(({ batch_id }) => batch_id));
  },
);

test('where the queue is down nothing is begun; retry sends what has no message', async () => {
  const { project, index, queue } = await queued({ ids: ids(25) });
  const { url, region } = queue;
  await project.configure({
    source: { related: {}, index: index },
    queue: { url: 'http://127.0.0.1:1/000000000000/none', region },
    batchSize: 10,
    retryFor: '1s',
  });
  const options = { cwd: project.cwd, env: project.env };
  const refused = await runBinary(['extract', ...RANGE], options);
  expect(refused.code).toBe(5);
  expect(refused.stderr).toContain('SQS was down');
  await project.configure({
    source: { related: {}, index: index },
    queue: { url, region },
    batchSize: 10,
  });
  expect(await runBinary(['extract', ...RANGE], options)).toMatchObject({ code: 0 });
  expect(batchesOf(await queue.drain())).toEqual([1, 2, 3]);
  await change(project, 'UPDATE batch_progress SET queued_at = NULL WHERE batch_id = 2');
  expect(await runBinary(['retry'], options)).toMatchObject({ code: 0 });
  expect(batchesOf(await queue.drain())).toEqual([2]);
});

test('run hands its batches to nobody', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  const options = { cwd: project.cwd, env: project.env };
  expect(await runBinary(['run', ...RANGE], options)).toMatchObject({ code: 0 });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
});

test('a dry run sends nothing', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  const options = { cwd: project.cwd, env: project.env };
  expect(await runBinary(['extract', ...RANGE, '--dry-run'], options)).toMatchObject({ code: 0 });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
});

test('the last batch of a job that is being extracted is left for later', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  await queue.drain();
  await change(project, 'UPDATE batch_progress SET queued_at = NULL');
  const run = quietRun();
  await connectedToQueue(project, run, async ({ queue: connection }) => {
    const growing = connection?.outbox.whileGrowing(1, run.report, run.stop);
    growing?.notify();
    await growing?.settled();
  });
  expect(batchesOf(await queue.drain())).toEqual([1, 2]);
});

test('what was sent long ago and is in no queue is sent again', async () => {
  const { project, index, queue } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  expect(await queue.drain()).toHaveLength(3);
  const resend = () => {
    const run = quietRun();
    return connectedToQueue(project, run, async ({ queue: connection }) =>
      connection?.outbox.resendLost(run.stop),
    );
  };
  await change(
    project,
    'UPDATE batch_progress SET queued_at = NOW(3) - INTERVAL 1 HOUR WHERE batch_id < 3',
  );
  // Received and not deleted: they are in flight, not lost.
  expect(await queue.counts()).toMatchObject({ inFlight: 3 });
  expect(await resend()).toBe(0);
  const other = await queued({ ids: [] });
  await project.configure({
    source: { related: {}, index: index },
    queue: { url: other.queue.url, region: other.queue.region },
  });
  expect(await resend()).toBe(2);
  expect(batchesOf(await other.queue.drain())).toEqual([1, 2]);
});

test('a queue with fewer messages than batches that wait for one has lost some, and gets all again', async () => {
  const { project, queue } = await queued({ ids: ids(35) });
  await extractToQueue(project);
  const [first, ...others] = await queue.drain();
  await queue.remove(first);
  for (const other of others) await queue.release(other);
  const lost = () => {
    const run = quietRun();
    return connectedToQueue(project, run, async ({ queue: connection }) =>
      connection?.outbox.resendLost(run.stop),
    );
  };
  // The queue's counts may not know of them yet.
  expect(await lost()).toBe(0);
  await change(project, 'UPDATE batch_progress SET queued_at = NOW(3) - INTERVAL 10 MINUTE');
  // They may be held back.
  expect(await lost()).toBe(0);
  await change(project, 'UPDATE batch_progress SET queued_at = NOW(3) - INTERVAL 1 HOUR');
  expect(await lost()).toBe(4);
  await change(project, 'UPDATE batch_progress SET queued_at = NOW(3) - INTERVAL 1 HOUR');
  expect(await lost()).toBe(0);
});

test('batches of jobs over another index are left to those who carry that', async () => {
  const a = await queued({ ids: ids(25) });
  const b = await queued({ ids: ids(15, 'b') });
  const { project } = a;
  const over = ({ index, queue }: typeof a) =>
    project.configure({
      source: { related: {}, index },
      queue: { url: queue.url, region: queue.region },
      batchSize: 10,
    });
  await extractToQueue(project);
  await a.queue.drain();
  await change(project, 'UPDATE batch_progress SET queued_at = NULL');
  await over(b);
  await extractToQueue(project);
  expect(batchesOf(await b.queue.drain())).toEqual([4, 5]);
  // Long ago, and A's queue is empty: only A's are lost.
  const other = await queued({ ids: [] });
  await change(project, 'UPDATE batch_progress SET queued_at = NOW(3) - INTERVAL 1 HOUR');
  await over({ ...a, queue: other.queue });
  const run = quietRun();
  const lost = await connectedToQueue(project, run, ({ queue }) =>
    Promise.resolve(queue?.outbox.resendLost(run.stop)),
  );
  expect(lost).toBe(3);
  expect(batchesOf(await other.queue.drain())).toEqual([1, 2, 3]);
});

test('one process sends at a time, others leave it to that one', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  await queue.drain();
  await change(project, 'UPDATE batch_progress SET queued_at = NULL');
  const run = quietRun();
  await connectedToQueue(project, run, async ({ database, queue: connection }) => {
    const sent = await withLock(database, 'outbox', 0, () =>
      Promise.resolve(connection?.outbox.flush(run.stop, 'leave')),
    );
    expect(sent).toBe(0);
    expect(await connection?.outbox.flush(run.stop, 'leave')).toBe(3);
  });
});

test('process --queue without a queue is a mistake that is told', async () => {
  const { project, index } = await queued({ ids: [] });
  await project.configure({ source: { related: {}, index: index } });
  const { code, stderr } = await runBinary(['process', '--queue'], {
    cwd: project.cwd,
    env: project.env,
  });
  expect(code).toBe(2);
  expect(stderr).toContain('queue.url');
});
