import { createConnection } from 'mysql2/promise';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { MigrateError } from '../../src/core/errors.js';
import { bodyOf } from '../../src/core/queue/message.js';
import { change, query } from '../end-to-end/landed.js';
import { rejection } from '../objects/contents.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary, startBinary } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { verifyNow } from '../verify/support.js';
import { message, NO_MESSAGES, type FreshQueue } from './queues.js';
import {
  batches,
  extractToQueue,
  finished,
  hanging,
  killedBehind,
  never,
  ownDatabase,
  queued,
  workUntil,
} from './support.js';

// The server does not notice at once that a killed process waits no longer, and may hand it messages that nobody sees then until their
// visibility runs out. Those that are killed here have no more takers than there are batches in their hands.
beforeEach(sandboxCredentials);

/** Finished, and the queue knows it. */
function done(project: Project, queue: FreshQueue): () => Promise<boolean> {
  const isFinished = finished(project);
  return async () => {
    const { waiting, inFlight } = await queue.counts();
    return waiting + inFlight === 0 && (await isFinished());
  };
}

test('every batch is carried, and its message deleted', async () => {
  const { project, queue } = await queued({ ids: ids(45) });
  await extractToQueue(project);
  const outcome = await workUntil(project, done(project, queue));
  expect(outcome).toMatchObject({ completed: 45, failed: 0, remaining: 0 });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect(await verifyNow(project, { level: 'content' })).toMatchObject({ ok: true, checked: 45 });
});

test('what was extracted without the queue is sent first', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  await queue.drain();
  await change(project, 'UPDATE batch_progress SET queued_at = NULL');
  expect(await workUntil(project, finished(project))).toMatchObject({ completed: 25 });
});

test('a message that comes twice does nothing the second time', async () => {
  // Who has just stopped may have been sent a message, which is seen again when its visibility has run out.
  const { project, queue } = await queued({ ids: ids(25), settings: { leaseSeconds: 5 } });
  await extractToQueue(project);
  const databaseId = await ownDatabase(project);
  expect(await workUntil(project, done(project, queue))).toMatchObject({ completed: 25 });
  for (const batchId of [1, 2, 3]) await queue.put(bodyOf(message(batchId, { databaseId })));
  const again = await workUntil(project, done(project, queue));
  expect(again).toMatchObject({ completed: 0, failed: 0 });
  expect((await batches(project)).map(({ claims }) => claims)).toEqual([1, 1, 1]);
  expect(await queue.counts()).toEqual(NO_MESSAGES);
});

test('--max-batches counts what was claimed, not what was received', async () => {
  const { project, queue } = await queued({ ids: ids(25) });
  await queue.put('nonsense');
  await extractToQueue(project);
  const outcome = await workUntil(project, never, {
    maxBatches: 2,
    concurrency: 1,
  });
  expect(outcome).toMatchObject({ completed: 20, ended: 'max-batches', remaining: 5 });
});

describe('messages that nobody can use go to the dead-letter queue, with the reason', () => {
  test.each([
    ['no JSON', 'nonsense', 'it is not JSON'],
    ['another program’s', '{"Records":[]}', 'no message of es-migrate'],
    ['another database’s', bodyOf(message(1)), 'in another tracking database'],
  ])('%s', async (_what, body, reason) => {
    const { project, queue } = await queued({ ids: ids(15) });
    await queue.put(body);
    await extractToQueue(project);
    expect(await workUntil(project, done(project, queue))).toMatchObject({ completed: 15 });
    const dead = await queue.drain(queue.deadLettersUrl);
    expect(dead).toMatchObject([
      {
        Body: body,
        MessageAttributes: { reason: { StringValue: expect.stringContaining(reason) as string } },
      },
    ]);
  });

  test('of a job over another index', async () => {
    const { project, queue } = await queued({ ids: ids(15) });
    await extractToQueue(project);
    await change(project, `UPDATE job_runs SET source_index = 'elsewhere'`);
    await workUntil(project, async () => (await queue.counts(queue.deadLettersUrl)).waiting === 2);
    expect((await batches(project)).map(({ claims }) => claims)).toEqual([0, 0]);
  });
});

test.each([
  [1, '1 receipt'],
  [2, '2 receipts'],
])('a queue that gives up after %i is refused', async (maxReceives, receipts) => {
  const { project, queue } = await queued({ ids: ids(5), maxReceives });
  expect(await rejection(extractToQueue(project))).toMatchObject({
    kind: 'usage',
    message: `the queue ${queue.url} gives a message up after ${receipts}`,
  });
});

test('a queue without a dead-letter queue works, with a warning', async () => {
  const { project, queue } = await queued({ ids: ids(15), redrive: false });
  await queue.put('nonsense');
  await extractToQueue(project);
  const { completed, logged } = await workUntil(project, done(project, queue));
  expect(completed).toBe(15);
  expect(logged).toContainEqual(expect.stringMatching(/^the queue has no dead-letter queue/));
  expect(logged).toContainEqual(expect.stringMatching(/^message \S+ is deleted/));
});

test('a dead-letter queue that is gone is told before anything is carried', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  await queue.dropDeadLetters();
  expect(await rejection(workUntil(project, never))).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('dead-letter queue') as string,
  });
  expect((await batches(project)).map(({ claims }) => claims)).toEqual([0, 0]);
});

test('a batch that is not there any more is acknowledged', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  await queue.put(bodyOf(message(4711, { databaseId: await ownDatabase(project) })));
  await workUntil(project, done(project, queue));
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect(await queue.counts(queue.deadLettersUrl)).toEqual(NO_MESSAGES);
});

test('a batch that somebody else holds comes again when its lease has run out', async () => {
  const { project, queue } = await queued({ ids: ids(5) });
  await extractToQueue(project);
  await change(
    project,
    `UPDATE batch_progress SET status = 'in_progress', lease_token = REPEAT('a', 32), lease_owner = 'other:1',
       lease_expires_at = NOW(6) + INTERVAL 400 SECOND`,
  );
  await change(project, `UPDATE message_tracking SET status = 'in_progress'`);
  await workUntil(project, async () => (await queue.counts()).delayed === 1);
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 0, delayed: 1 });
  expect(await batches(project)).toMatchObject([{ status: 'in_progress', claims: 0 }]);
});

test('told to stop, it gives back what does not end, and the messages come at once', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  let reading = 0;
  const outcome = await workUntil(project, () => Promise.resolve(reading === 2), {
    messages: (index, request) => {
      reading += 1;
      return hanging(index, request);
    },
  });
  expect(outcome).toMatchObject({ ended: 'stopped', remaining: 15 });
  expect(await queue.counts()).toEqual({ waiting: 2, inFlight: 0, delayed: 0 });
  expect(await workUntil(project, done(project, queue))).toMatchObject({ completed: 15 });
});

test('what a killed process had in hand comes again', async () => {
  const { project, queue } = await queued({ ids: ids(25), settings: { leaseSeconds: 2 } });
  await extractToQueue(project);
  const { ended } = startBinary(['process', '--queue', '--watch', '--concurrency', '2'], {
    cwd: project.cwd,
    env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: 'SIGKILL records-read 1' },
    preload: ['stop-at.mjs'],
  });
  expect(await ended).toMatchObject({ code: 137 });
  const outcome = await workUntil(project, done(project, queue));
  expect(outcome).toMatchObject({ remaining: 0, failedInAll: 0 });
  expect(await verifyNow(project, { level: 'content' })).toMatchObject({ ok: true, checked: 25 });
});

test('a server that is down spends no receipt: batches are sent anew, held back', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  const down = new MigrateError('unavailable', 'Elasticsearch was down for 1 s');
  // Those that wait for messages end, too.
  const working = workUntil(project, never, {
    messages: () => Promise.reject(down),
    concurrency: 4,
  });
  expect(await rejection(working)).toBe(down);
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 0, delayed: 2 });
  expect(await batches(project)).toMatchObject([
    { status: 'pending', isQueued: true },
    { status: 'pending', isQueued: true },
  ]);
  const attempts = await query<never>(
    project,
    'SELECT MAX(attempts) AS most FROM message_tracking',
  );
  expect(attempts).toEqual([{ most: 0 }]);
});

test('errors nobody foresaw, of one batch after the other, end the run', async () => {
  const { project, queue } = await queued({ ids: ids(55) });
  await extractToQueue(project);
  const bug = new TypeError('undefined is not a function');
  const working = workUntil(project, never, {
    messages: () => Promise.reject(bug),
    concurrency: 1,
  });
  expect(await rejection(working)).toBe(bug);
  const claims = (await batches(project)).map((batch) => batch.claims);
  expect(claims.sort()).toEqual([0, 0, 0, 1, 1, 1]);
  expect(await queue.counts()).toEqual({ waiting: 3, inFlight: 0, delayed: 3 });
  expect((await batches(project)).filter(({ isSuspect }) => isSuspect)).toEqual([]);
});

test('what somebody left behind without a message is sent for', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  await queue.drain();
  await change(
    project,
    `UPDATE batch_progress SET status = 'in_progress', queued_at = NULL, lease_token = REPEAT('a', 32), lease_owner = 'other:1',
       lease_expires_at = NOW(6) - INTERVAL 1 SECOND`,
  );
  await change(project, `UPDATE message_tracking SET status = 'in_progress'`);
  expect(await workUntil(project, finished(project))).toMatchObject({ completed: 15 });
});

test('a batch that another transaction has locked is not waited for', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  await extractToQueue(project);
  const { host, port, user, password, database } = project.database;
  const other = await createConnection({ host, port, user, password, database });
  onTestFinished(() => other.end());
  await other.query('START TRANSACTION');
  await other.query('SELECT * FROM batch_progress WHERE batch_id = 1 FOR UPDATE');
  await workUntil(project, async () => (await queue.counts()).delayed === 1);
  expect(await batches(project)).toMatchObject([{ status: 'pending' }, { status: 'completed' }]);
});

test('several processes take from one queue under one display', async () => {
  const { project, queue } = await queued({ ids: ids(45) });
  await extractToQueue(project);
  const args = ['process', '--queue', '--processes', '2', '--concurrency', '2', '--json'];
  const { code, stdout } = await runBinary(args, { cwd: project.cwd, env: project.env });
  expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({
    code: 0,
    completed: 45,
    remaining: 0,
  });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
});

test('killed between sending a message anew and deleting the old one, both are there', async () => {
  const { project, queue } = await queued({ ids: ids(5), settings: { leaseSeconds: 10 } });
  await extractToQueue(project);
  const hold = (seconds: number) =>
    change(
      project,
      `UPDATE batch_progress SET status = 'in_progress', lease_token = REPEAT('a', 32), lease_owner = 'other:1',
         lease_expires_at = NOW(6) + INTERVAL ${seconds} SECOND`,
    );
  await change(project, `UPDATE message_tracking SET status = 'in_progress'`);
  await hold(600);
  await killedBehind('message-sent-again 1', project);
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 1, delayed: 1 });
  await hold(-1);
  const outcome = await workUntil(project, finished(project));
  expect(outcome).toMatchObject({ completed: 5, remaining: 0 });
});
