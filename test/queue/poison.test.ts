import { beforeEach, expect, test } from 'vitest';
import { MigrateError } from '../../src/core/errors.js';
import { bodyOf } from '../../src/core/queue/message.js';
import { change, query } from '../end-to-end/landed.js';
import { rejection } from '../objects/contents.js';
import { sandboxCredentials } from '../objects/s3.js';
import { runBinary } from '../support/binary.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { message } from './queues.js';
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

beforeEach(sandboxCredentials);

/** Killed with its one batch in hand, which nobody holds then. */
async function killed(project: Project): Promise<void> {
  await killedBehind('batch-claimed 1', project);
  await change(project, 'UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND');
}

test('poison is given up before its last try, in the queue and in the tables, whatever message it came by', async () => {
  const { project, queue } = await queued({ ids: ids(5), maxReceives: 4 });
  await extractToQueue(project);
  // Each has a message of its own, of which the first is lost.
  await killed(project);
  await queue.drain();
  await killed(project);
  expect(await batches(project)).toMatchObject([{ claims: 2, tries: 1, isSuspect: true }]);
  const outcome = await workUntil(project, finished(project), {
    // Nobody foresaw it.
    messages: () => Promise.reject(new TypeError('undefined is not a function')),
  });
  expect(outcome).toMatchObject({ completed: 0, failed: 5, failedInAll: 5 });
  const dead = await queue.drain(queue.deadLettersUrl);
  const reason = { StringValue: expect.stringContaining('tried 3 times') as string };
  expect(dead).toMatchObject([{ MessageAttributes: { reason } }]);
  const errors = await query<never>(
    project,
    'SELECT DISTINCT stage, code, attempt FROM message_errors',
  );
  expect(errors).toEqual([{ stage: 'batch', code: 'poisoned', attempt: 1 }]);
  expect(await batches(project)).toMatchObject([{ status: 'failed', claims: 3, isQueued: false }]);
});

test('poison is not what was only received with it, as often as that may be', async () => {
  const { project, queue } = await queued({ ids: ids(5), maxReceives: 3 });
  await extractToQueue(project);
  for (let receives = 1; receives < 3; receives += 1) {
    const [message] = await queue.drain();
    await queue.release(message);
  }
  // The last receipt of this message: from here on it is another one.
  await killedBehind('message-sent-again 1', project);
  expect(await batches(project)).toMatchObject([{ claims: 0 }]);
  expect(await workUntil(project, finished(project))).toMatchObject({ completed: 5 });
});

test('poison takes no other with it: what was tried before is carried alone', async () => {
  const { project } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  await change(project, 'UPDATE batch_progress SET suspect = TRUE');
  await killedBehind('batch-claimed 2', project, 3);
  // The first was done before the second was claimed.
  const statuses = (await batches(project)).map(({ status }) => status);
  expect(statuses.sort()).toEqual(['completed', 'in_progress', 'pending']);
});

test('poison waits for others in hand, and they for it', async () => {
  const { project } = await queued({ ids: ids(25) });
  await extractToQueue(project);
  await change(project, 'UPDATE batch_progress SET suspect = TRUE WHERE batch_id = 2');
  await killedBehind('batch-claimed 3', project, 3);
  const all = await batches(project);
  const completed = (some: typeof all) => some.filter(({ status }) => status === 'completed');
  const suspect = all.filter(({ batch_id }) => batch_id === 2);
  // Whichever came first: when the third was claimed, it was done, or all the others were.
  expect(completed(suspect).length === 1 || completed(all).length === 2).toBe(true);
});

test('poison is what can’t even be claimed, time after time', async () => {
  const { project, queue } = await queued({ ids: ids(15), maxReceives: 3 });
  await extractToQueue(project);
  await change(project, 'UPDATE batch_progress SET tries = 1 WHERE batch_id = 1');
  await change(
    project,
    `CREATE TRIGGER broken BEFORE UPDATE ON batch_progress FOR EACH ROW
     IF NEW.batch_id = 1 AND NEW.status = 'in_progress' THEN SET NEW.total_messages = -1; END IF`,
  );
  expect(await workUntil(project, finished(project))).toMatchObject({ completed: 5, failed: 10 });
  expect(await queue.drain(queue.deadLettersUrl)).toHaveLength(1);
});

test('poison is not what somebody knows to be innocent, even where the tables could not be told', async () => {
  const { project, queue } = await queued({ ids: ids(5) });
  await extractToQueue(project);
  await change(
    project,
    `CREATE TRIGGER down BEFORE UPDATE ON batch_progress FOR EACH ROW
     IF NEW.status = 'pending' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'down'; END IF`,
  );
  const isClaimed = async () => (await batches(project))[0]?.status === 'in_progress';
  // Told to stop, it is not given back within the grace.
  await workUntil(project, isClaimed, { messages: hanging });
  await change(project, 'DROP TRIGGER down');
  expect(await batches(project)).toMatchObject([{ status: 'in_progress', isSuspect: true }]);
  const [sent] = await queue.drain();
  expect(JSON.parse(sent?.Body ?? '')).toMatchObject({ attempt: 2, excused: true });
  await queue.release(sent);
  await change(project, 'UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND');
  const isClaimedAgain = async () => (await batches(project))[0]?.claims === 2;
  await workUntil(project, isClaimedAgain, { messages: hanging });
  expect(await batches(project)).toMatchObject([{ claims: 2, tries: 0, isSuspect: false }]);
});

test('poison is not what was given back', async () => {
  const { project } = await queued({ ids: ids(5), maxReceives: 3 });
  await extractToQueue(project);
  await killed(project);
  const down = new MigrateError('unavailable', 'Elasticsearch was down for 1 s');
  const working = workUntil(project, never, { messages: () => Promise.reject(down) });
  expect(await rejection(working)).toBe(down);
  expect(await batches(project)).toMatchObject([
    { status: 'pending', claims: 2, tries: 1, isSuspect: false },
  ]);
});

test('poison is in the tables before it is in the dead-letter queue', async () => {
  const { project, queue } = await queued({ ids: ids(5), maxReceives: 3 });
  await extractToQueue(project);
  await change(project, 'UPDATE batch_progress SET tries = 2');
  const options = { cwd: project.cwd, env: project.env };
  await killedBehind('batch-poisoned 1', project);
  expect(await batches(project)).toMatchObject([{ status: 'failed', claims: 0 }]);
  expect(await queue.drain(queue.deadLettersUrl)).toEqual([]);
  // As its message is seen again.
  await queue.put(bodyOf(message(1, { databaseId: await ownDatabase(project) })));
  const isDead = async () => (await queue.counts(queue.deadLettersUrl)).waiting === 1;
  await workUntil(project, isDead);
  expect(await runBinary(['retry'], options)).toMatchObject({ code: 3 });
  expect(await batches(project)).toMatchObject([{ status: 'failed' }]);
  expect(await runBinary(['retry', '--error', 'poisoned'], options)).toMatchObject({ code: 0 });
  expect(await workUntil(project, finished(project))).toMatchObject({ completed: 5 });
  // Another batch, with tries of its own.
  expect(await batches(project)).toMatchObject([
    { batch_id: 2, status: 'completed', tries: 0, isSuspect: false },
  ]);
});
