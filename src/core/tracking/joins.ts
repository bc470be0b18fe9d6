import { usage, type MigrateError } from '../errors.js';
import type { Interval } from '../extract/types.js';
import type { Joins } from '../joins.js';
import type { Database, Statements } from './database.js';
import { inScope, onlyJobs, type JobSet } from './scope.js';

/** A job or batch, in a column, that was made with other joins: see `areOthers`. */
function madeWithOthers(joins: Joins, column: string): { sql: string; parameters: Buffer[] } {
  const unknown = joins.isByIdAlone ? '' : ` OR ${column} IS NULL`;
  return { sql: `(${column} <> ?${unknown})`, parameters: [joins.hash] };
}

/**
 * Refuses a job that was begun with other joins. One that was begun by an earlier version, which kept none, takes these on, unless
 * its messages were certainly completed with others.
 *
 * @throws MigrateError `usage`
 */
export async function requireJoins(database: Database, joins: Joins, jobId: number): Promise<void> {
  const job = onlyJobs([jobId]);
  const others = await jobsWithOtherJoins(database, joins, job);
  if (others.length > 0) throw otherJoins([jobId]);
  await setJoins(database, joins, job, 'j.joins_hash IS NULL');
}

/**
 * Those of these jobs that can be worked on with these joins: jobs of other joins are left alone where nothing of them waits, so
 * that last month's job, which is done, does not stop this month's.
 *
 * @throws MigrateError `usage` where something of a job of other joins waits, or nothing of any other does
 */
export async function jobsWithJoins(
  database: Database,
  joins: Joins,
  jobs: JobSet,
): Promise<{ readonly jobs: JobSet; readonly leftAlone: readonly number[] }> {
  const others = await jobsWithOtherJoins(database, joins, jobs);
  if (others.length > 0) {
    const waiting = others.filter(({ isOpen }) => isOpen);
    const left = withoutJobs(jobs, others);
    const refused = waiting.length > 0 ? waiting : (await hasOpen(database, left)) ? [] : others;
    if (refused.length > 0) throw otherJoins(refused.map(({ jobId }) => jobId));
  }
  const mine = withoutJobs(jobs, others);
  await setJoins(database, joins, mine, 'j.joins_hash IS NULL');
  return { jobs: mine, leftAlone: others.map(({ jobId }) => jobId) };
}

interface OtherJob {
  readonly jobId: number;
  /** Whether something of it waits to be processed. */
  readonly isOpen: boolean;
}

async function jobsWithOtherJoins(
  database: Database,
  joins: Joins,
  jobs: JobSet,
): Promise<OtherJob[]> {
  const scope = inScope(jobs, 'j.job_id');
  const has = (condition: string) =>
    `EXISTS (SELECT 1 FROM batch_progress b WHERE b.job_id = j.job_id AND ${condition})`;
  const rows = await database.rows<{ job_id: number; is_open: number }>(
    `SELECT j.job_id, ${has(OPEN)} AS is_open FROM job_runs j
     WHERE ${scope.sql} AND (j.joins_hash <> ? OR (? AND j.joins_hash IS NULL AND ${has('b.processed > 0')}))
     ORDER BY j.job_id`,
    [...scope.parameters, joins.hash, !joins.isByIdAlone],
  );
  return rows.map((row) => ({ jobId: row.job_id, isOpen: row.is_open === 1 }));
}

const OPEN = `b.status IN ('pending', 'in_progress')`;

async function hasOpen(database: Database, jobs: JobSet): Promise<boolean> {
  const scope = inScope(jobs, 'b.job_id');
  const rows = await database.rows(
    `SELECT 1 FROM batch_progress b WHERE ${OPEN} AND ${scope.sql} LIMIT 1`,
    scope.parameters,
  );
  return rows.length > 0;
}

function withoutJobs(jobs: JobSet, others: readonly OtherJob[]): JobSet {
  const numbers = others.map(({ jobId }) => jobId);
  if (jobs.kind === 'except') return { kind: 'except', jobs: [...jobs.jobs, ...numbers] };
  return onlyJobs(jobs.jobs.filter((job) => !numbers.includes(job)));
}

/** Makes these jobs jobs of these joins, whatever they were made with. */
export async function setJoins(
  database: Database,
  joins: Joins,
  jobs: JobSet,
  where: 'j.joins_hash IS NULL' | 'TRUE' = 'TRUE',
): Promise<void> {
  const scope = inScope(jobs, 'j.job_id');
  await database.change(
    `UPDATE job_runs j SET j.joins_hash = ?, j.updated_at = j.updated_at WHERE ${scope.sql} AND ${where}`,
    [joins.hash, ...scope.parameters],
  );
}

/** From the start of the first to the end of the last of these jobs; undefined where there is none. */
export async function spanOfJobs(
  database: Database,
  jobs: JobSet,
  onlyWithoutJoins: boolean,
): Promise<Interval | undefined> {
  const scope = inScope(jobs, 'job_id');
  const [row] = await database.rows<{ start: Date | null; end: Date | null }>(
    `SELECT MIN(start_date) AS start, MAX(end_date) AS end FROM job_runs
     WHERE ${scope.sql} AND (NOT ? OR joins_hash IS NULL)`,
    [...scope.parameters, onlyWithoutJoins],
  );
  return row?.start && row.end ? { from: row.start.getTime(), to: row.end.getTime() } : undefined;
}

/** Batches of these jobs that somebody holds under a live lease, claimed before this instant of the database's clock. */
export async function heldSince(database: Database, jobs: JobSet, before: Date): Promise<number> {
  const scope = inScope(jobs, 'job_id');
  const [row] = await database.rows<{ held: number }>(
    `SELECT COUNT(*) AS held FROM batch_progress WHERE status = 'in_progress' AND ${scope.sql}
       AND lease_expires_at >= NOW(6) AND claimed_at <= ?`,
    [...scope.parameters, before],
  );
  return row?.held ?? 0;
}

/** The database's clock, in whole milliseconds. */
export async function databaseNow(database: Database): Promise<Date> {
  const [row] = await database.rows<{ now: Date }>('SELECT NOW(3) AS now');
  if (!row) throw new Error('MySQL did not tell the time');
  return row.now;
}

/** Whether a job is one of other joins than these; it may have become one since it was looked at. */
export async function isOfOtherJoins(
  on: Statements,
  jobId: number,
  hash: Buffer,
): Promise<boolean> {
  const rows = await on.rows('SELECT 1 FROM job_runs WHERE job_id = ? AND joins_hash <> ?', [
    jobId,
    hash,
  ]);
  return rows.length > 0;
}

/** Completed messages of these jobs whose batch was made with other joins than its job is of now. */
export async function countOutdated(database: Database, jobs: JobSet): Promise<number> {
  const scope = inScope(jobs, 'b.job_id');
  const [row] = await database.rows<{ messages: number }>(
    `SELECT CAST(COALESCE(SUM(b.processed), 0) AS UNSIGNED) AS messages
     FROM batch_progress b JOIN job_runs j ON j.job_id = b.job_id
     WHERE ${scope.sql} AND b.processed > 0 AND b.joins_hash <> j.joins_hash`,
    scope.parameters,
  );
  return row?.messages ?? 0;
}

const MOST_NAMED = 10;

/** What is said where jobs were begun with other joins than this configuration's. */
export function otherJoins(jobs: readonly number[]): MigrateError {
  const shown = jobs.slice(0, MOST_NAMED).join(', ');
  const more = jobs.length > MOST_NAMED ? ' and more' : '';
  const which = jobs.length > 1 ? `jobs ${shown}${more} were` : `job ${shown} was`;
  const one = jobs.length === 1 ? ` --job ${shown}` : '';
  return usage(
    `${which} begun with other joins of related records (source.related): documents made with these would differ from those made with the others`,
    `Use the configuration it was begun with, or have all of it made with this one: "es-migrate retry --other-joins${one}" puts back what was made with the others, "es-migrate process" makes it again.`,
  );
}

/** Batches of these jobs with completed messages that were made with other joins, behind one, in order. */
export async function batchesWithOtherJoins(
  database: Statements,
  joins: Joins,
  jobs: JobSet,
  after: number,
  limit: number,
): Promise<{ batchId: number; messages: number }[]> {
  const scope = inScope(jobs, 'job_id');
  const others = madeWithOthers(joins, 'joins_hash');
  const rows = await database.rows<{ batch_id: number; processed: number }>(
    `SELECT batch_id, processed FROM batch_progress
     WHERE batch_id > ? AND processed > 0 AND ${scope.sql} AND ${others.sql} ORDER BY batch_id LIMIT ?`,
    [after, ...scope.parameters, ...others.parameters, limit],
  );
  return rows.map((row) => ({ batchId: row.batch_id, messages: row.processed }));
}
