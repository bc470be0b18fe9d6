import { expect } from 'vitest';
import { loadSettings } from '../../src/config/load.js';
import { currentUser } from '../../src/host/user.js';
import { connect, type Connections } from '../../src/core/connect.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import { extract } from '../../src/core/extract/extract.js';
import { processBatches } from '../../src/core/process/process.js';
import type { ProcessOptions, ProcessOutcome } from '../../src/core/process/types.js';
import type { Run, RunEvent } from '../../src/core/run.js';
import { databaseId } from '../../src/core/tracking/lookup.js';
import { query } from '../end-to-end/landed.js';
import { runBinary } from '../support/binary.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';
import { until } from '../support/until.js';
import { DAY, indexed, type Migrated, type MigratedOptions } from '../verify/support.js';
import { freshQueue, type FreshQueue } from './queues.js';

export interface Queued extends Migrated {
  readonly queue: FreshQueue;
}

/** Messages of one day in batches of 10, a project to migrate them, and its queue. */
export async function queued({
  settings = {},
  maxReceives = 5,
  redrive = true,
  ...options
}: MigratedOptions & { maxReceives?: number; redrive?: boolean }): Promise<Queued> {
  const queue = await freshQueue({ maxReceives, redrive });
  const { url, region } = queue;
  const made = await indexed({
    batchSize: 10,
    settings: { queue: { url, region }, ...settings },
    ...options,
  });
  return { ...made, queue };
}

/** Connections as `process --queue` has them. */
export async function connectedToQueue<T>(
  { cwd, env }: Project,
  run: Run,
  work: (on: Connections) => Promise<T>,
): Promise<T> {
  const needs = { source: true, target: true, queue: true };
  const user = currentUser({});
  const { settings } = loadSettings({ user, cwd, env, flags: {}, configPath: undefined, needs });
  const on = await connect(settings, { ...needs, queue: 'receive' }, run);
  try {
    return await work(on);
  } finally {
    await on.close();
  }
}

export function extractToQueue(project: Project, run: Run = quietRun()): Promise<unknown> {
  return connectedToQueue(project, run, (on) =>
    extract(run, on, { ...DAY, startDate: undefined, slices: 1, dryRun: false }),
  );
}

export interface Worked extends ProcessOutcome {
  readonly logged: readonly string[];
}

/** Works as `process --queue --watch` does, until `isEnough`; it is then told to stop. */
export async function workUntil(
  project: Project,
  isEnough: () => Promise<boolean>,
  { messages, ...options }: Partial<ProcessOptions> & { messages?: ReadMessages } = {},
): Promise<Worked> {
  const stop = new AbortController();
  const logged: string[] = [];
  const report = (event: RunEvent) => {
    if (event.type === 'log') logged.push(event.message);
  };
  const run = quietRun(report, stop.signal);
  let isReady = false;
  let hasEnded = false;
  const working = connectedToQueue(project, run, async (on) => {
    isReady = true;
    return processBatches(run, messages ? readingBy(on, messages) : on, {
      concurrency: 2,
      maxBatches: undefined,
      maxRuntimeMs: undefined,
      watch: true,
      retryFailed: false,
      fromQueue: true,
      ...options,
    });
  }).finally(() => (hasEnded = true));
  // Told to stop while it is being connected, it would fail.
  const ready = async () => hasEnded || (isReady && (await isEnough()));
  const stopping = until(ready, 'enough is done').finally(() => stop.abort());
  const [outcome] = await Promise.all([working, stopping]);
  return { ...outcome, logged };
}

type ReadMessages = Source['messages'];

/** Connections whose source reads messages that way. */
function readingBy(on: Connections, messages: ReadMessages): Connections {
  const source = Object.create(on.source, { messages: { value: messages } }) as Source;
  return Object.create(on, { source: { value: source } }) as Connections;
}

export interface QueuedBatch {
  readonly batch_id: number;
  readonly status: string;
  readonly claims: number;
  readonly tries: number;
  readonly isSuspect: boolean;
  readonly isQueued: boolean;
}

export async function batches(project: Project): Promise<QueuedBatch[]> {
  const rows = await query<never>(
    project,
    'SELECT batch_id, status, claims, tries, suspect AS isSuspect, queued_at IS NOT NULL AS isQueued FROM batch_progress ORDER BY batch_id',
  );
  type Row = Omit<QueuedBatch, 'isQueued' | 'isSuspect'> & { isQueued: number; isSuspect: number };
  return (rows as unknown as Row[]).map((row) => ({
    ...row,
    isQueued: row.isQueued === 1,
    isSuspect: row.isSuspect === 1,
  }));
}

/** Whether no batch is left to do. */
export function finished(project: Project): () => Promise<boolean> {
  return async () =>
    (await batches(project)).every(({ status }) => status === 'completed' || status === 'failed');
}

export const never = () => Promise.resolve(false);

/** Reads until it is told to stop. */
export const hanging: Source['messages'] = (_index, { signal }) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error));
  });

/** What messages of this project's batches name as their database. */
export function ownDatabase(project: Project): Promise<string> {
  return connectedToQueue(project, quietRun(), ({ database }) => databaseId(database));
}

/** Works with the real binary, `concurrency` batches at once, until it is killed behind that step, such as `batch-claimed 2`. */
export async function killedBehind(
  step: string,
  { cwd, env }: Project,
  concurrency = 1,
): Promise<void> {
  const args = ['process', '--queue', '--concurrency', String(concurrency)];
  const { code } = await runBinary(args, {
    cwd,
    env: { ...env, ES_MIGRATE_TEST_STOP_AT: `SIGKILL ${step}` },
    preload: ['stop-at.mjs'],
  });
  expect(code).toBe(137);
}
