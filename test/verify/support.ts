import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { dirname, join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { onTestFinished } from 'vitest';
import { loadSettings } from '../../src/config/load.js';
import { currentUser } from '../../src/host/user.js';
import { connect, type Connections } from '../../src/core/connect.js';
import { extract } from '../../src/core/extract/extract.js';
import { processBatches } from '../../src/core/process/process.js';
import type { Run } from '../../src/core/run.js';
import type {
  Finding,
  FindingKind,
  VerifyOptions,
  VerifyOutcome,
} from '../../src/core/verify/types.js';
import { verify } from '../../src/core/verify/verify.js';
import { findingsAfter } from '../../src/core/tracking/verify-findings.js';
import { FINDING_KINDS } from '../../src/core/verify/types.js';
import { addMessages, createIndex } from '../extract/messages.js';
import { quietRun } from '../support/core.js';
import { makeProject, type Project, type ProjectOptions } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

export const DAY = { from: Date.UTC(2024, 9, 1), to: Date.UTC(2024, 9, 2) };
const MINUTE = 60_000;

export interface Migrated {
  readonly project: Project;
  readonly index: string;
  readonly ids: readonly string[];
}

export interface MigratedOptions extends Omit<ProjectOptions, 'indices'> {
  readonly ids: readonly string[];
  readonly batchSize?: number;
}

/** Messages of one day, without related records, in an index of their own, and a project to migrate them. */
export async function indexed({
  ids,
  batchSize = 20,
  settings = {},
  ...options
}: MigratedOptions): Promise<Migrated> {
  const indices = freshIndexPrefix();
  const index = `${indices}messages`;
  await createIndex(index);
  await add(index, ids);
  const project = await makeProject({
    indices,
    settings: {
      batchSize,
      ...settings,
      source: { related: {}, ...(settings['source'] as object) },
    },
    ...options,
  });
  return { project, index, ids };
}

/** The same, migrated. */
export async function migrated(options: MigratedOptions): Promise<Migrated> {
  const made = await indexed(options);
  await extractNow(made.project);
  await processNow(made.project);
  return made;
}

/** Messages spread over the day. */
export function add(index: string, ids: readonly string[]): Promise<void> {
  const at = (i: number) => DAY.from + ((i * MINUTE) % (DAY.to - DAY.from));
  return addMessages(
    index,
    ids.map((id, i) => ({ id, at: at(i), channel: `c${i}` })),
  );
}

/** Connections as the project's commands would have them, for one test. */
export async function connected(
  { cwd, env }: Project,
  run: Run = quietRun(),
  prefix: 'claim' | 'require' = 'require',
): Promise<Connections> {
  const needs = { source: true, target: true };
  const user = currentUser({});
  const { settings } = loadSettings({ user, cwd, env, flags: {}, configPath: undefined, needs });
  return connect(settings, { ...needs, prefix }, run);
}

async function using<T>(
  project: Project,
  prefix: 'claim' | 'require',
  run: Run,
  work: (on: Connections) => Promise<T>,
): Promise<T> {
  const on = await connected(project, run, prefix);
  try {
    return await work(on);
  } finally {
    await on.close();
  }
}

export async function extractNow(
  project: Project,
  range: { from: number; to: number } = DAY,
): Promise<void> {
  const run = quietRun();
  await using(project, 'claim', run, (on) =>
    extract(run, on, { ...range, startDate: undefined, slices: 1, dryRun: false }),
  );
}

export async function processNow(
  project: Project,
  { maxBatches, run = quietRun() }: { maxBatches?: number; run?: Run } = {},
): Promise<void> {
  await using(project, 'claim', run, (on) =>
    processBatches(run, on, {
      concurrency: 2,
      maxBatches,
      maxRuntimeMs: undefined,
      watch: false,
      retryFailed: true,
    }),
  );
}

const OPTIONS: VerifyOptions = {
  level: 'objects',
  sample: 1,
  jobs: undefined,
  restart: false,
  repair: false,
  diffFile: undefined,
};

export interface Verified extends VerifyOutcome {
  readonly findings: readonly Finding[];
}

/** Verifies, and gives all that was found. */
export function verifyNow(
  project: Project,
  options: Partial<VerifyOptions> = {},
  run: Run = quietRun(),
): Promise<Verified> {
  return using(project, 'require', run, async (on) => {
    const outcome = await verify(run, on, { ...OPTIONS, ...options });
    const { verifyId } = outcome;
    const findings =
      verifyId === undefined
        ? []
        : await findingsAfter(on.database, verifyId, FINDING_KINDS, 0, 100_000);
    return { ...outcome, findings };
  });
}

/** What was found, without the kinds of which there was nothing. */
export function differences({ found }: VerifyOutcome): Partial<Record<FindingKind, number>> {
  return Object.fromEntries(Object.entries(found).filter(([, count]) => count > 0));
}

/** Kind and message, or key, of each finding, in their order. */
export function named({ findings }: Verified): string[] {
  return findings.map(
    ({ kind, message, key, batchId, jobId }) =>
      `${kind} ${message?.id.toString() ?? key ?? (batchId === undefined ? `job ${jobId ?? '?'}` : `batch ${batchId}`)}`,
  );
}

/** Writes an object as somebody else would: in S3 by its own door, since the server keeps what it knows of an object apart. */
export async function plant(project: Project, key: string, bytes: string | Buffer): Promise<void> {
  const at = s3Place(project, key);
  if (at) {
    await withClient((client) => client.send(new PutObjectCommand({ ...at, Body: bytes })));
    return;
  }
  const path = join(project.objects, key);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}

export async function remove(project: Project, key: string): Promise<void> {
  const at = s3Place(project, key);
  if (at) await withClient((client) => client.send(new DeleteObjectCommand(at)));
  else await rm(join(project.objects, key));
}

/** An object's bytes, as they lie there. */
export function stored(project: Project, key: string): Promise<Buffer> {
  return readFile(join(project.objects, key));
}

/** Changes one byte of an object. */
export async function flip(project: Project, key: string): Promise<void> {
  const bytes = await stored(project, key);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await plant(project, key, bytes);
}

async function withClient(work: (client: S3Client) => Promise<unknown>): Promise<void> {
  const { endpoint, region } = sandbox().s3;
  const client = new S3Client({ endpoint, region, forcePathStyle: true });
  try {
    await work(client);
  } finally {
    client.destroy();
  }
}

function s3Place(project: Project, key: string): { Bucket: string; Key: string } | undefined {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.*)$/.exec(project.urlPrefix) ?? [];
  return bucket === undefined ? undefined : { Bucket: bucket, Key: `${prefix ?? ''}${key}` };
}

/**
 * A run that is stopped when `step` was reached for the `times`th time. Its clock makes so much of every moment that each step
 * of a verification ends with a checkpoint.
 */
export function stoppedAt(step: string, times: number): Run {
  const stop = new AbortController();
  let count = 0;
  const listen = (reached: unknown) => {
    if (reached === step && (count += 1) === times) stop.abort(new Error('stopped by the test'));
  };
  subscribe('es-migrate:step', listen);
  onTestFinished(() => void unsubscribe('es-migrate:step', listen));
  let now = 0;
  return { ...quietRun(undefined, stop.signal), clock: { now: () => (now += 60_000) } };
}
