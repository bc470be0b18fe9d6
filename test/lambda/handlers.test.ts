import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Context } from '../../src/lambda/event.js';
import type * as Handlers from '../../src/lambda/index.js';
import { change, query } from '../end-to-end/landed.js';
import { rejection } from '../objects/contents.js';
import { sandboxCredentials } from '../objects/s3.js';
import { batches, queued, type Queued } from '../queue/support.js';
import { batchesOf, NO_MESSAGES } from '../queue/queues.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { verifyNow } from '../verify/support.js';
import { eventOf } from './events.js';

beforeEach(sandboxCredentials);

interface Functions extends Pick<typeof Handlers, 'extract' | 'process' | 'retry'> {
  /** Lines of the log so far. */
  readonly logged: () => Record<string, unknown>[];
}

/** The functions as in a container of their own, with a project's configuration. */
async function functionsOf({ cwd, env }: Project): Promise<Functions> {
  vi.stubEnv('LAMBDA_TASK_ROOT', cwd);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  vi.resetModules();
  const lines: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  onTestFinished(() => {
    write.mockRestore();
    vi.unstubAllEnvs();
  });
  const handlers = await import('../../src/lambda/index.js');
  return {
    ...handlers,
    logged: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const REQUEST = 'f5cc5a4e-0000-4000-8000-000000000001';

function context(leftMs = 120_000): Context {
  const end = performance.now() + leftMs;
  return {
    awsRequestId: REQUEST,
    functionName: 'es-migrate-test',
    getRemainingTimeInMillis: () => Math.max(0, end - performance.now()),
  };
}

const messageOf = (error: unknown): string => (error as Error).message;

const RANGE = { from: '2024-10-01', to: '2024-10-01' };

async function extracted(count = 25, settings = {}): Promise<Queued & { functions: Functions }> {
  const made = await queued({ ids: ids(count), settings });
  const functions = await functionsOf(made.project);
  await functions.extract(RANGE, context());
  return { ...made, functions };
}

test('a range goes through extract, the queue and process', async () => {
  const { project, queue, functions } = await extracted();
  const messages = await queue.drain();
  expect(batchesOf(messages)).toEqual([1, 2, 3]);
  expect(await functions.process(eventOf(messages), context())).toEqual({ batchItemFailures: [] });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect(await verifyNow(project, { level: 'content' })).toMatchObject({ ok: true, checked: 25 });
  // The same messages once more.
  for (const { Body = '' } of messages) await queue.put(Body);
  const again = eventOf(await queue.drain(), 2);
  expect(await functions.process(again, context())).toEqual({ batchItemFailures: [] });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect((await batches(project)).map(({ claims }) => claims)).toEqual([1, 1, 1]);
});

test('a mistyped range is refused, and nothing is extracted', async () => {
  const { project } = await queued({ ids: ids(5) });
  const functions = await functionsOf(project);
  const refused = await rejection(functions.extract({ From: '2024-10-01' }, context()));
  expect(messageOf(refused)).toContain('the event has the unknown key "From"');
  expect(await query(project, 'SELECT job_id FROM job_runs')).toEqual([]);
});

test('each line of the log is JSON, names its request, and shows no secret', async () => {
  const settings = { monitor: { metricsNamespace: 'some-stack' } };
  const { project, queue, functions } = await extracted(25, settings);
  await functions.process(eventOf(await queue.drain()), context());
  const lines = functions.logged();
  expect(lines).toContainEqual(
    expect.objectContaining({
      message: 'process',
      batches: expect.arrayContaining(
        [1, 2, 3].map((batchId) => ({ jobId: 1, batchId })),
      ) as object,
    }),
  );
  expect(lines.every(({ requestId }) => requestId === REQUEST)).toBe(true);
  const metrics = lines.filter(({ _aws }) => _aws !== undefined);
  expect(metrics).toMatchObject([
    { MessagesExtracted: 25, function: 'es-migrate-test' },
    { MessagesCompleted: 25, BatchesCompleted: 3, UploadedBytes: expect.any(Number) as number },
  ]);
  expect(metrics[1]?.['_aws']).toMatchObject({
    CloudWatchMetrics: [
      {
        Namespace: 'some-stack',
        Dimensions: [[]],
        Metrics: expect.arrayContaining([{ Name: 'MessagesCompleted', Unit: 'Count' }]) as object[],
      },
    ],
  });
  expect(JSON.stringify(lines)).not.toContain(project.database.password);
});

test('takes at most two connections to MySQL', async () => {
  const { project, queue, functions } = await extracted(45);
  await functions.process(eventOf(await queue.drain()), context());
  const [sessions] = await query<never>(
    project,
    `SELECT COUNT(*) AS open FROM information_schema.processlist WHERE db = '${project.database.database}'`,
  );
  const { open } = sessions as unknown as { open: number };
  // Two of each function at most, and the one that asks.
  expect(open).toBeGreaterThan(2);
  expect(open).toBeLessThanOrEqual(5);
});

test('with 3 seconds left nothing new is taken', async () => {
  const { project, queue, functions } = await extracted();
  const messages = await queue.drain();
  expect(await functions.process(eventOf(messages), context(3_000))).toEqual({
    batchItemFailures: [],
  });
  // Those that were handed to us are deleted, and held back for a minute.
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 0, delayed: 3 });
  expect((await batches(project)).map(({ claims }) => claims)).toEqual([0, 0, 0]);
});

test('what is no message of ours goes to the dead-letter queue, the others are carried', async () => {
  const { project, queue, functions } = await extracted(5);
  await queue.put('{"Records":[]}');
  const response = await functions.process(eventOf(await queue.drain()), context());
  expect(response).toEqual({ batchItemFailures: [] });
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect(await queue.drain(queue.deadLettersUrl)).toMatchObject([{ Body: '{"Records":[]}' }]);
  expect(await batches(project)).toMatchObject([{ status: 'completed' }]);
});

test('while MySQL is down batches are sent anew, held back, and their messages acknowledged', async () => {
  const { project, index, queue } = await extracted(15);
  const messages = await queue.drain();
  await project.configure({
    source: { related: {}, index },
    queue: { url: queue.url, region: queue.region },
    tracking: { url: 'mysql://nobody@127.0.0.1:1/none' },
    retryFor: '1s',
  });
  const functions = await functionsOf(project);
  expect(await functions.process(eventOf(messages, 4), context())).toEqual({
    batchItemFailures: [],
  });
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 0, delayed: 2 });
  expect(functions.logged()).toContainEqual(
    expect.objectContaining({
      level: 'error',
      message: expect.stringContaining('MySQL was down') as string,
    }),
  );
});

test('where batch after batch breaks off, in one invocation after the other, none pays, and the function fails', async () => {
  const { project, queue, functions } = await extracted(45);
  await change(
    project,
    `CREATE TRIGGER bug BEFORE UPDATE ON batch_progress FOR EACH ROW
     IF NEW.status = 'completed' THEN SET NEW.total_messages = -1; END IF`,
  );
  const messages = await queue.drain();
  const ended = [];
  for (const message of messages.slice(0, 4)) {
    ended.push(await functions.process(eventOf([message]), context()).catch(messageOf));
  }
  const bug = expect.stringContaining('total_messages') as string;
  expect(ended).toEqual([{ batchItemFailures: [] }, { batchItemFailures: [] }, bug, bug]);
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 1, delayed: 4 });
  expect((await batches(project)).filter(({ isSuspect }) => isSuspect)).toEqual([]);
  await change(project, 'DROP TRIGGER bug');
  const last = eventOf(messages.slice(4));
  expect(await functions.process(last, context())).toEqual({ batchItemFailures: [] });
  expect((await batches(project)).filter(({ status }) => status === 'completed')).toHaveLength(1);
});

test('a misconfigured function says so in one line, and fails', async () => {
  const { project, queue } = await extracted(5);
  const messages = await queue.drain();
  await project.configure({ batchSize: 0, queue: { url: queue.url, region: queue.region } });
  const functions = await functionsOf(project);
  const failing = functions.process(eventOf(messages), context());
  expect(await failing.catch(messageOf)).toContain('batchSize');
  // It comes once more, when nobody has it any longer.
  expect(await queue.counts()).toEqual({ waiting: 0, inFlight: 1, delayed: 0 });
  expect(functions.logged()).toMatchObject([
    { level: 'error', message: expect.stringContaining('batchSize') as string },
  ]);
});

describe('extract', () => {
  test('leaves where another one is at work', async () => {
    const { project, queue } = await queued({ ids: ids(25) });
    const functions = await functionsOf(project);
    const both = await Promise.all([
      functions.extract(RANGE, context()),
      functions.extract(RANGE, context()),
    ]);
    expect(both.map(({ kind }) => kind).sort()).toEqual(['busy', 'done']);
    expect(batchesOf(await queue.drain())).toEqual([1, 2, 3]);
  });

  test('begins nothing it could not end, and the next one does', async () => {
    const { project, queue } = await queued({ ids: ids(25) });
    const functions = await functionsOf(project);
    expect(await functions.extract(RANGE, context(10_000))).toEqual({ kind: 'stopped', jobs: [] });
    expect(functions.logged()).toMatchObject([
      { level: 'warn', message: expect.stringContaining('a timeout of well over 30 s') as string },
    ]);
    expect(await functions.extract(RANGE, context())).toMatchObject({ kind: 'done' });
    expect(batchesOf(await queue.drain())).toEqual([1, 2, 3]);
  });
});

test('retry puts back what failed and what is stuck, and sends for both', async () => {
  const { project, queue, functions } = await extracted();
  await queue.drain();
  await change(
    project,
    `UPDATE batch_progress SET status = 'failed', failed = 10, queued_at = NULL WHERE batch_id = 1`,
  );
  await change(
    project,
    `UPDATE message_tracking SET status = 'failed', attempts = 1, error_code = 'upload_failed' WHERE batch_id = 1`,
  );
  await change(
    project,
    `UPDATE batch_progress SET status = 'in_progress', queued_at = NULL, lease_token = REPEAT('a', 32), lease_owner = 'other:1',
       lease_expires_at = NOW(6) - INTERVAL 1 SECOND WHERE batch_id = 2`,
  );
  await change(project, `UPDATE message_tracking SET status = 'in_progress' WHERE batch_id = 2`);
  expect(await functions.retry({}, context())).toEqual({
    requeued: 10,
    failed: 0,
    remaining: 25,
    reset: 1,
  });
  expect(batchesOf(await queue.drain())).toEqual([2, 4]);
});
