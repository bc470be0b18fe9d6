import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { startSqsSource } from '../../sandbox/lambda/sqs-source.js';
import { textOf } from '../deploy/files.js';
import { change, query } from '../end-to-end/landed.js';
import { awsEnvironment, freshSecret } from '../monitor/aws.js';
import { sandboxCredentials } from '../objects/s3.js';
import { NO_MESSAGES } from '../queue/queues.js';
import { batches, finished, queued, type Queued } from '../queue/support.js';
import { startTcpProxy } from '../support/proxies/tcp-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { ids } from '../support/tracking.js';
import { until } from '../support/until.js';
import { verifyNow } from '../verify/support.js';
import {
  BUILD_TIMEOUT_MS,
  bundled,
  deployed,
  logOf,
  returned,
  type Deployed,
  type Deployment,
} from './deployed.js';
import { eventOf } from './events.js';

// The three functions as they are uploaded, run by what runs them in Lambda.

let deployment: Deployment;
beforeAll(async () => {
  deployment = await bundled();
}, BUILD_TIMEOUT_MS);
afterAll(() => deployment.remove());
beforeEach(sandboxCredentials);

const RANGE = { from: '2024-10-01', to: '2024-10-01' };

/** Messages extracted, and in the queue. */
async function extracted(count: number): Promise<Queued & { functions: Deployed }> {
  const made = await queued({ ids: ids(count) });
  const functions = await deployed(deployment, made.project);
  returned(await functions.extract.invoke(RANGE));
  return { ...made, functions };
}

test('the bundles carry messages from a schedule to S3', async () => {
  const { project, queue, functions } = await extracted(45);
  const { endpoint, region } = sandbox().sqs;
  const client = new SQSClient({ endpoint, region });
  onTestFinished(() => client.destroy());
  const options = { client, queueUrl: queue.url, batchSize: 2, maximumConcurrency: 2 };
  const source = startSqsSource(functions.process, options);
  await until(finished(project), 'everything is carried');
  await source.stop();
  expect(await queue.counts()).toEqual(NO_MESSAGES);
  expect(returned(await functions.retry.invoke({}))).toEqual({
    ...{ requeued: 0, failed: 0, remaining: 0, reset: 0 },
  });
  expect(await verifyNow(project, { level: 'content' })).toMatchObject({ ok: true, checked: 45 });
  expect(functions.process.containers.length).toBeLessThanOrEqual(2);
});

test('by the variables the template sets, and a secret, they carry, and write nothing beside themselves', async () => {
  const { project, queue } = await queued({ ids: ids(15) });
  const file = join(project.cwd, 'es-migrate.yaml');
  const { source, target, tracking, queue: where, ...rest } = await settingsIn(file);
  const { url: sourceUrl, ...otherOfSource } = source;
  const { url: targetUrl, layout, ...otherOfTarget } = target;
  const { region } = where;
  await writeFile(
    file,
    stringify({ ...rest, source: otherOfSource, target: otherOfTarget, queue: { region } }),
  );
  const { ES_MIGRATE_TRACKING_PASSWORD, ...credentials } = project.env;
  const set: Record<string, string> = {
    ES_MIGRATE_SOURCE_URL: String(sourceUrl),
    ES_MIGRATE_TRACKING_URL: String(tracking['url']),
    ES_MIGRATE_TRACKING_TLS_CA_FILE: sandbox().mysql.caFile,
    ES_MIGRATE_TARGET_URL: String(targetUrl),
    ES_MIGRATE_TARGET_LAYOUT: String(layout),
    ES_MIGRATE_QUEUE_URL: queue.url,
    ES_MIGRATE_SECRET_ARN: await freshSecret(JSON.stringify({ ES_MIGRATE_TRACKING_PASSWORD })),
    ES_MIGRATE_MONITOR_METRICS_NAMESPACE: 'some-stack',
  };
  const ofTemplate = (await textOf('lambda/template.yaml')).match(/\bES_MIGRATE_\w+(?=:)/g) ?? [];
  expect(Object.keys(set).sort()).toEqual([...ofTemplate].sort());
  const env = { ...credentials, ...awsEnvironment(), ...set };
  const functions = await deployed(deployment, { ...project, env });
  const before = await readdir(project.cwd, { recursive: true });
  returned(await functions.extract.invoke(RANGE));
  expect(returned(await functions.process.invoke(eventOf(await queue.drain())))).toEqual(ALL_DONE);
  expect(returned(await functions.retry.invoke({}))).toMatchObject({ remaining: 0 });
  expect(await batches(project)).toMatchObject([{ status: 'completed' }, { status: 'completed' }]);
  expect(await troubles(functions)).toEqual([]);
  const sums = (await logOf(functions.process)).filter(({ _aws }) => _aws !== undefined);
  expect(sums).toMatchObject([{ MessagesCompleted: 15 }]);
  expect(await readdir(project.cwd, { recursive: true })).toEqual(before);
});

describe('frozen between two invocations, it goes on', () => {
  test('after the server has closed its connections', async () => {
    const { project, queue, functions } = await extracted(5);
    returned(await functions.process.invoke({ Records: [] }));
    expect(await killAll(project.database)).toBeGreaterThan(0);
    const messages = await queue.drain();
    expect(returned(await functions.process.invoke(eventOf(messages)))).toEqual(ALL_DONE);
    expect(functions.process.containers).toHaveLength(1);
    expect(await troubles(functions)).toEqual([]);
  });

  test('after what lies between has forgotten its connections', async () => {
    const { project, queue } = await queued({ ids: ids(5) });
    const proxy = await startTcpProxy(sandbox().mysql);
    onTestFinished(() => proxy.close());
    await project.configure({
      ...{ batchSize: 10, source: { related: {} } },
      queue: { url: queue.url, region: queue.region },
      tracking: { url: project.database.url.replace(/:\d+\//, `:${proxy.port}/`) },
    });
    const functions = await deployed(deployment, project);
    returned(await functions.extract.invoke(RANGE));
    returned(await functions.process.invoke({ Records: [] }));
    proxy.forget();
    await query(project, `SELECT SLEEP(${IDLE_S})`);
    const messages = await queue.drain();
    expect(returned(await functions.process.invoke(eventOf(messages)))).toEqual(ALL_DONE);
    expect(await batches(project)).toMatchObject([{ status: 'completed' }]);
    expect(functions.process.containers).toHaveLength(1);
    expect(await troubles(functions)).toEqual([]);
  });
});

test('one that is not done at its deadline is ended, and its batch carried by the next', async () => {
  const { project, queue, functions } = await extracted(5);
  const short = await deployed(deployment, project, { process: 30_000 });
  // Of its time 20 s are for its end: it is connected by then, however busy the machine.
  returned(await short.process.invoke({ Records: [] }));
  const messages = await queue.drain();
  await change(
    project,
    `CREATE TRIGGER slow BEFORE UPDATE ON batch_progress FOR EACH ROW
       IF NEW.status = 'completed' THEN DO SLEEP(600); END IF`,
  );
  const invoked = short.process.invoke(eventOf(messages));
  // Whoever is stopped stops no work in time.
  await until(async () => (await batches(project))[0]?.status === 'in_progress', 'it is claimed');
  const { pid } = short.process.busy[0] ?? {};
  // 0 would be the test's own group.
  if (!pid) throw new Error('nobody is at work');
  process.kill(pid, 'SIGSTOP');
  expect(await invoked).toEqual({
    kind: 'timed-out',
    message: 'Task timed out after 30.00 seconds',
  });
  await killAll(project.database);
  await change(project, 'DROP TRIGGER slow');
  await change(project, 'UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND');
  expect(returned(await functions.process.invoke(eventOf(messages, 2)))).toEqual(ALL_DONE);
  expect(await batches(project)).toMatchObject([{ status: 'completed', claims: 2 }]);
});

test.each(['extract', 'process', 'retry'] as const)(
  'a misconfigured %s fails, and says why in one line',
  async (name) => {
    const { project, queue } = await queued({ ids: ids(5) });
    await project.configure({ batchSize: 0, queue: { url: queue.url, region: queue.region } });
    const functions = await deployed(deployment, project);
    await queue.put('{}');
    const outcome = await functions[name].invoke(eventOf(await queue.drain()));
    expect(outcome).toMatchObject({ kind: 'threw' });
    expect(await logOf(functions[name])).toMatchObject([
      { level: 'error', message: expect.stringContaining('batchSize') as string },
    ]);
  },
);

const ALL_DONE = { batchItemFailures: [] };
/** Longer than a connection counts as good without being asked. */
const IDLE_S = 6;

type Sections = Record<'source' | 'target' | 'tracking' | 'queue', Record<string, unknown>>;

async function settingsIn(file: string): Promise<Sections> {
  return parse(await readFile(file, 'utf8')) as Sections;
}

/** Warnings and errors of a function's log. */
async function troubles({ process }: Deployed): Promise<unknown[]> {
  return (await logOf(process)).filter(({ level }) => level === 'warn' || level === 'error');
}

/** Ends all connections to a database, as a server does with those that were idle for too long; how many those were. */
async function killAll(database: Queued['project']['database']): Promise<number> {
  const project = { database } as Queued['project'];
  const rows = await query<never>(
    project,
    `SELECT id FROM information_schema.processlist WHERE db = '${database.database}' AND id <> CONNECTION_ID()`,
  );
  for (const { id } of rows as unknown as { id: number }[]) await change(project, `KILL ${id}`);
  return rows.length;
}
