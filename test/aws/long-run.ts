import { setTimeout as sleep } from 'node:timers/promises';
import { SQSClient, type Message } from '@aws-sdk/client-sqs';
import type { RowDataPacket } from 'mysql2/promise';
import { onTestFinished } from 'vitest';
import type { LambdaContainer, Outcome } from '../../sandbox/lambda/container.js';
import type { LambdaFunction } from '../../sandbox/lambda/function.js';
import { startSqsSource } from '../../sandbox/lambda/sqs-source.js';
import { seededRandom } from '../../sandbox/sample/random.js';
import { query } from '../end-to-end/landed.js';
import type { Sample } from '../killed/samples.js';
import { deployed, logOf, type Deployment } from '../lambda/deployed.js';
import { freshQueue, type FreshQueue } from '../queue/queues.js';
import { runBinary } from '../support/binary.js';
import { handOvers, type HandOvers } from '../support/lease-audit.js';
import type { Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { compareAll, type Whole } from '../support/whole.js';
import { poison, type Poison } from './poison.js';
import { projectOf } from './granted.js';
import { randomKills, type Kills } from './random-kills.js';
import { scheduled, type Schedule } from './schedule.js';

/** Of `process`: longer than the 20 s that it keeps for its end, and what it takes to connect on a busy machine. */
const TIMEOUT_MS = 35_000;
/** As the template has it: six times the function's timeout. */
const VISIBILITY_S = (6 * TIMEOUT_MS) / 1000;
const SETTINGS = { batchSize: 25, concurrency: 2, leaseSeconds: 5, startDate: '2024-10-01' };
const CONCURRENCY = 8;
const DOUBLED = 0.05;
const POISONED_BATCH = 7;
const EXTRACT_EVERY_MS = 10_000;
const RETRY_EVERY_MS = 10_000;
const GIVEN_UP_MS = 20 * 60_000;

export interface LongRun {
  readonly seconds: number;
  /** At random, and by the poisoned batch. */
  readonly kills: number;
  readonly poisonKills: number;
  /** Messages of the queue that were handed out more than once, for whatever reason. */
  readonly redeliveries: number;
  /** Of all three functions. */
  readonly invocations: number;
  readonly containers: number;
  readonly largestContainerMiB: number;
  /** From the start of a process to its first event: the median. */
  readonly initMs: number;
  /** Batches that were given up as poisoned; ours, and others that were killed as often. */
  readonly poisoned: readonly number[];
  readonly deadLetters: readonly Message[];
  /** Messages that `retry --error poisoned` put back. */
  readonly putBack: number;
  readonly handOvers: HandOvers;
  readonly whole: Whole;
  readonly verified: Record<string, unknown>;
  /** What is left in the queue. */
  readonly left: number;
  /** Of the schedules, those that neither returned nor were killed. */
  readonly odd: readonly Outcome[];
  /** Errors in the functions' logs. */
  readonly complaints: readonly string[];
}

/** Schedules, queue and functions, some of which are killed all the time, until all messages are carried. */
export async function longRun(
  sample: Sample,
  deployment: Deployment,
  seed: number,
  grants: 'all' | 'least',
): Promise<LongRun> {
  const queue = await freshQueue({ maxReceives: 5, visibilitySeconds: VISIBILITY_S });
  const project = await projectOf(sample, { ...SETTINGS, queue: ofQueue(queue) }, grants);
  const functions = await deployed(deployment, project, { process: TIMEOUT_MS });
  const all = [functions.extract, functions.process, functions.retry];
  const random = seededRandom(seed);
  const client = sqsClient();

  const startedAt = performance.now();
  const deadly = await poison(project, POISONED_BATCH, functions.process);
  const source = startSqsSource(functions.process, {
    ...{ client, queueUrl: queue.url, batchSize: 4, maximumConcurrency: CONCURRENCY },
    isDoubled: () => random.next() < DOUBLED,
  });
  const schedules = [
    scheduled(functions.extract, EXTRACT_EVERY_MS),
    scheduled(functions.retry, RETRY_EVERY_MS),
  ];
  const kills = randomKills(all, CONCURRENCY + 2, random);
  const stop = () => stopAll(deadly, kills, schedules);
  onTestFinished(stop);
  const parts = [source, deadly, kills, ...schedules];

  await untilDone(project, queue, parts);
  const poisoned = await failedBatches(project);
  await deadly.stop();
  const { requeued: putBack } = await json(project, ['retry', '--error', 'poisoned', '--json']);
  await untilDone(project, queue, parts);
  await stop();
  await source.stop();
  const seconds = Math.round((performance.now() - startedAt) / 1000);

  const deadLetters = await queue.drain(queue.deadLettersUrl);
  const [jobs] = await query<RowDataPacket & { jobs: number }>(
    project,
    'SELECT COUNT(*) AS jobs FROM job_runs',
  );
  const containers = all.flatMap((one) => one.containers);
  return {
    seconds,
    kills: kills.count + deadly.kills,
    poisonKills: deadly.kills,
    redeliveries: source.redeliveries,
    invocations: containers.reduce((sum, { invocations }) => sum + invocations, 0),
    containers: containers.length,
    largestContainerMiB: Math.round(largest(containers) / 1024 ** 2),
    initMs: Math.round(median(containers.flatMap(({ initMs = [] }) => initMs))),
    poisoned,
    deadLetters,
    putBack: Number(putBack),
    handOvers: await handOvers(project),
    whole: await compareAll(project, sample.expected, {
      layout: 'message',
      errors: Number(putBack),
      jobs: jobs?.jobs ?? 0,
    }),
    verified: await json(project, ['verify', '--level', 'content', '--json']),
    left: await inQueue(queue),
    odd: schedules
      .flatMap(({ outcomes }) => outcomes)
      .filter(({ kind }) => kind !== 'returned' && kind !== 'died'),
    complaints: await complaintsOf(all),
  };
}

const ofQueue = ({ url, region }: FreshQueue) => ({ url, region });

function sqsClient(): SQSClient {
  const { endpoint, region, accessKeyId, secretAccessKey } = sandbox().sqs;
  const client = new SQSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  onTestFinished(() => client.destroy());
  return client;
}

async function stopAll(
  deadly: Poison,
  kills: Kills,
  schedules: readonly Schedule[],
): Promise<void> {
  await kills.stop();
  await deadly.stop();
  await Promise.all(schedules.map((schedule) => schedule.stop()));
}

/** No batch is left to do, and nothing in the queue; where one of the parts fails, so does this. */
async function untilDone(
  project: Project,
  queue: FreshQueue,
  parts: readonly { readonly ended: Promise<unknown> }[],
): Promise<void> {
  const failing = Promise.all(parts.map(({ ended }) => ended));
  // Looked at below, which may be never.
  failing.catch(() => undefined);
  const end = performance.now() + GIVEN_UP_MS;
  const isDone = async () => {
    const [row] = await query<RowDataPacket & { extracted: number; open: number }>(
      project,
      `SELECT (SELECT COUNT(*) FROM job_runs WHERE status = 'completed') AS extracted,
              (SELECT COUNT(*) FROM batch_progress WHERE status IN ('pending', 'in_progress')) AS open`,
    );
    return row !== undefined && row.extracted > 0 && row.open === 0 && (await inQueue(queue)) === 0;
  };
  while (!(await isDone())) {
    if (performance.now() > end) throw new Error('not done in time');
    await Promise.race([sleep(500), failing]);
  }
}

async function inQueue(queue: FreshQueue): Promise<number> {
  const { waiting, inFlight, delayed } = await queue.counts();
  return waiting + inFlight + delayed;
}

async function failedBatches(project: Project): Promise<number[]> {
  const rows = await query<RowDataPacket & { batch_id: number }>(
    project,
    `SELECT DISTINCT batch_id FROM message_tracking WHERE error_code = 'poisoned' ORDER BY batch_id`,
  );
  return rows.map(({ batch_id }) => batch_id);
}

async function json(project: Project, args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await runBinary(args, project);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as Record<string, unknown>;
}

function largest(containers: readonly LambdaContainer[]): number {
  return Math.max(...containers.map(({ peakBytes }) => peakBytes));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Errors, but for those that tell of a batch that was given up. */
async function complaintsOf(functions: readonly LambdaFunction[]): Promise<string[]> {
  const lines = (await Promise.all(functions.map(logOf))).flat();
  return lines
    .filter(({ level }) => level === 'error')
    .map(({ message }) => String(message))
    .filter((message) => !/no try came to its end/.test(message));
}
