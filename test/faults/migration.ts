/** A migration through troubled servers, and what must hold after it, whatever the trouble was. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { createSampleIndices, loadSample } from '../../sandbox/sample.js';
import { query } from '../end-to-end/landed.js';
import { expectedDocuments, type Expected } from '../end-to-end/expected.js';
import {
  runBinary,
  startBinary,
  type Ended,
  type Preload,
  type Running,
} from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { contradictions, openDatabase, trackingSettings } from '../support/tracking.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';

export const RANGE = ['--from', '2024-10-01', '--to', '2024-10-07'];
/** How long an exit may take beyond `retryFor`, in seconds. */
const MARGIN = 30;
/** A bound for what hangs: each of these tests runs the binary two or three times, several at once. */
export const PATIENT = { timeout: 600_000 };

export interface Sample {
  /** Stands before the names of the indices. */
  readonly prefix: string;
  readonly expected: ReadonlyMap<string, Expected>;
}

/** Messages of a week with their records, for any number of migrations: nobody changes them. */
export async function loadWeek({
  messages = 200,
  url = sandbox().elasticsearch.url,
} = {}): Promise<Sample> {
  const prefix = freshIndexPrefix();
  const options = {
    messages,
    from: new Date('2024-10-01T00:00:00Z'),
    to: new Date('2024-10-08T00:00:00Z'),
    prefix,
  };
  await createSampleIndices(url, prefix);
  await loadSample(url, options);
  return { prefix, expected: expectedDocuments(options) };
}

export interface Through {
  readonly layout?: Layout;
  /** URL of what stands before Elasticsearch. */
  readonly source?: string;
  /** Port of what stands before MySQL. */
  readonly tracking?: number;
  /** URL of what stands before S3. */
  readonly target?: string;
  readonly settings?: Record<string, unknown>;
}

export type Layout = 'message' | 'batch';

export interface Migration {
  readonly sample: Sample;
  readonly layout: Layout;
  /** Its connections lead through the proxies. */
  readonly project: Project;
}

/** A project whose servers are reached through proxies, with small batches. */
export async function prepare(sample: Sample, through: Through): Promise<Migration> {
  const { layout = 'message', source, tracking, target, settings = {} } = through;
  const project = await makeProject({ indices: sample.prefix, layout });
  const { user, database } = project.database;
  await project.configure({
    batchSize: 50,
    concurrency: 4,
    retryFor: '60s',
    ...settings,
    ...(source !== undefined && { source: { url: source } }),
    ...(tracking !== undefined && {
      tracking: { url: `mysql://${user}@127.0.0.1:${tracking}/${database}` },
    }),
    ...(target !== undefined && { target: { endpoint: target } }),
  });
  return { sample, layout, project };
}

/** Its proxies are gone, and what troubled it with them. */
export async function straighten({ project }: Migration): Promise<void> {
  await project.configure({ batchSize: 50, concurrency: 4 });
}

/** `run`, the whole one-off, by the real binary. */
export function start({ project }: Migration, preload: readonly Preload[] = []): Running {
  return startBinary(['run', ...RANGE, '--verbose', '--no-progress'], { ...project, preload });
}

export function migrate(migration: Migration): Promise<Ended> {
  return start(migration).ended;
}

/** Exit 0, every message landed byte for byte, every counter fits, nothing is claimed, and no message paid for it. */
export async function expectMigrated(
  { project, sample, layout }: Migration,
  { code, stderr }: Ended,
): Promise<void> {
  expect(code, stderr).toBe(0);
  const { wrong } = await compareAll(project, sample.expected, { layout });
  expect(wrong).toEqual([]);
}

/** No fault of the infrastructure costs a message an attempt, and counters fit the rows, at any time. */
export async function expectNobodyPaid({ project }: Migration): Promise<void> {
  expect(await query(project, 'SELECT * FROM message_tracking WHERE attempts > 0')).toEqual([]);
  expect(await query(project, 'SELECT * FROM message_errors')).toEqual([]);
  const database = openDatabase(trackingSettings(project.database), 1);
  try {
    expect(await contradictions(database)).toEqual([]);
  } finally {
    await database.close();
  }
}

/** Nothing is claimed by anybody: no batch, no message, no job. */
export async function expectReleased({ project }: Migration): Promise<void> {
  for (const table of ['batch_progress', 'message_tracking']) {
    const claimed = `SELECT * FROM ${table} WHERE status = 'in_progress'`;
    expect(await query(project, claimed)).toEqual([]);
  }
  for (const table of ['job_runs', 'batch_progress']) {
    // A batch that is done keeps its token, without an expiry.
    const leased = `SELECT * FROM ${table} WHERE lease_expires_at IS NOT NULL`;
    expect(await query(project, leased)).toEqual([]);
  }
}

/** The whole second half of "exits 5": soon enough, released, nobody paid, and the next run completes by itself. */
export async function expectGivenUp(
  migration: Migration,
  { code, stderr }: Ended,
  { since, retryFor }: { since: number; retryFor: number },
): Promise<void> {
  const seconds = (performance.now() - since) / 1000;
  expect(code, stderr).toBe(5);
  expect(seconds, stderr).toBeLessThan(retryFor + MARGIN);
  await expectNobodyPaid(migration);
  await straighten(migration);
}

/** Resolves once a batch has been claimed, rejects where the run ended before. */
export async function claimedOne({ project }: Migration, running: Running): Promise<void> {
  const ended = running.ended.then(() => true);
  for (;;) {
    // The tables may not be there yet.
    const claimed = query(project, 'SELECT 1 FROM batch_progress WHERE claims > 0');
    if ((await claimed.catch(() => [])).length > 0) return;
    if (await Promise.race([ended, delay(50, false)])) break;
  }
  throw new Error(`it ended before a batch was claimed: ${(await running.ended).stderr}`);
}

/** No lease is live any more, by the database's clock. */
export async function leasesRanOut({ project }: Migration): Promise<void> {
  const live = ['batch_progress', 'job_runs']
    .map((table) => `SELECT 1 FROM ${table} WHERE lease_expires_at >= NOW(6)`)
    .join(' UNION ALL ');
  await until(async () => (await query(project, live)).length === 0, 'the end of all leases');
}

/** Rows for `it.each` with `%s`: their faults, uncut, are the names of the tests. */
export function named<T extends { readonly fault: string }>(rows: readonly T[]): [string, T][] {
  return rows.map((row) => [row.fault, row]);
}

/** The binary's other commands, for what a test needs before or after. */
export function command({ project }: Migration, ...args: string[]): Promise<Ended> {
  return runBinary(args, project);
}
