import { createHash } from 'node:crypto';
import { usage } from '../errors.js';
import type { Interval } from '../extract/types.js';
import { reached } from '../steps.js';
import type { Database, Statements } from './database.js';
import { IDENTITY, toHeld, type Held, type HeldRow, type Lease } from './lease.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';
import { forgetWindows } from './windows.js';

/** What makes two extractions the same but for their interval. */
export interface JobScope {
  readonly index: string;
  readonly dateField: string;
  /** JSON text. */
  readonly filter?: string | undefined;
}

export interface Job {
  readonly jobId: number;
  readonly interval: Interval;
  readonly status: 'running' | 'completed' | 'failed';
  /** Messages added so far, by all invocations. */
  readonly extracted: number;
}

interface JobRow {
  job_id: number;
  start_date: Date;
  end_date: Date;
  status: Job['status'];
  extracted: number;
}

const COLUMNS = 'job_id, start_date, end_date, status, extracted';

/**
 * The completed job behind which the next one starts, of those whose end is not still to come: the one made last. Extracting a
 * range again moves nothing, a new job over an older range does, and costs duplicates, never a gap. A job that began
 * where nothing could be read yet counts only where there is no other: a mistyped year must not keep the next one from
 * what lies before.
 */
const LAST_COMPLETED = `FROM job_runs WHERE scope_key = ? AND status = 'completed' AND next_run_date <= ?
  ORDER BY next_run_date > start_date DESC, job_id DESC LIMIT 1`;

/**
 * Where the scope's next job starts: at the end of the last completed one.
 *
 * @param now milliseconds since the epoch
 */
export async function nextRunDate(
  database: Database,
  scope: JobScope,
  now: number,
): Promise<number | undefined> {
  const [row] = await database.rows<{ next_run_date: Date }>(
    `SELECT next_run_date ${LAST_COMPLETED}`,
    [scopeKey(scope), new Date(now)],
  );
  return row?.next_run_date.getTime();
}

/** The numbers of jobs over an index; with a date field, of those with this field and this filter. */
export async function scopedJobs(
  database: Database,
  scope: Pick<JobScope, 'index'> | JobScope,
): Promise<number[]> {
  const [column, value] =
    'dateField' in scope ? ['scope_key', scopeKey(scope)] : ['source_index', scope.index];
  const rows = await database.rows<{ job_id: number }>(
    `SELECT job_id FROM job_runs WHERE ${column} = ? ORDER BY job_id`,
    [value],
  );
  return rows.map(({ job_id }) => job_id);
}

/** Those of these jobs that have batches which are not done. */
export async function jobsWithOpenBatches(database: Database, jobs: JobSet): Promise<number[]> {
  const { sql, parameters } = inScope(jobs, 'job_id');
  const rows = await database.rows<{ job_id: number }>(
    `SELECT DISTINCT job_id FROM batch_progress WHERE status IN ('pending', 'in_progress') AND ${sql} ORDER BY job_id`,
    parameters,
  );
  return rows.map(({ job_id }) => job_id);
}

/** The scope's last completed job, behind which the next one starts; `now` as with `nextRunDate`. */
export async function lastCompleted(
  database: Database,
  scope: JobScope,
  now: number,
): Promise<number | undefined> {
  const [row] = await database.rows<{ job_id: number }>(`SELECT job_id ${LAST_COMPLETED}`, [
    scopeKey(scope),
    new Date(now),
  ]);
  return row?.job_id;
}

/** The scope's job whose extraction ended last; from then on its row keeps its time of change. */
export async function lastExtracted(
  database: Database,
  scope: JobScope,
): Promise<number | undefined> {
  const [row] = await database.rows<{ job_id: number }>(
    `SELECT job_id FROM job_runs WHERE scope_key = ? AND status <> 'running'
     ORDER BY updated_at DESC, job_id DESC LIMIT 1`,
    [scopeKey(scope)],
  );
  return row?.job_id;
}

/** @throws MigrateError `usage` where there is no such job */
export async function requireJob(database: Database, jobId: number | undefined): Promise<void> {
  if (jobId === undefined) return;
  const rows = await database.rows('SELECT 1 FROM job_runs WHERE job_id = ?', [jobId]);
  if (rows.length === 0) throw usage(`there is no job ${jobId}`, '"es-migrate status" lists them.');
}

/** The scope's jobs that are not completed, oldest first; with `from`, those that start there. */
export async function unfinishedJobs(
  database: Statements,
  scope: JobScope,
  from?: number,
): Promise<Job[]> {
  const rows = await database.rows<JobRow>(
    `SELECT ${COLUMNS} FROM job_runs WHERE scope_key = ? AND status <> 'completed'
       AND (? IS NULL OR start_date = ?) ORDER BY job_id`,
    [
      scopeKey(scope),
      from === undefined ? null : new Date(from),
      from === undefined ? null : new Date(from),
    ],
  );
  return rows.map(toJob);
}

export async function findJob(
  on: Statements,
  scope: JobScope,
  interval: Interval,
): Promise<Job | undefined> {
  const [row] = await on.rows<JobRow>(`SELECT ${COLUMNS} FROM job_runs WHERE job_key = ?`, [
    jobKey(scope, interval),
  ]);
  return row && toJob(row);
}

/**
 * The job of this scope and interval, made if there is none. `indices` are what the scope's index stands for
 * now: a job over one index leaves it out of its object keys, unless an earlier job's keys without index
 * stand for another one, since the same id may occur in both.
 *
 * @param known unfinished jobs as they were before somebody looked where to end, where nobody asked for an end: one that
 *   was begun from the same start since then is the same
 */
export async function findOrCreateJob(
  database: Database,
  scope: JobScope,
  interval: Interval,
  indices: readonly string[],
  known?: readonly number[],
): Promise<Job> {
  return database.transaction(async (on) => {
    // One at a time: two new jobs must not both leave their index out of their keys.
    await on.rows('SELECT 1 FROM tracking_database FOR UPDATE');
    const begun = known && (await unfinishedJobs(on, scope, interval.from));
    const news = begun?.find(({ jobId }) => !known?.includes(jobId));
    if (news) return news;
    const key = jobKey(scope, interval);
    const only = indices.length === 1 ? (indices[0] ?? null) : null;
    await on.change(
      `INSERT INTO job_runs (start_date, end_date, status, source_index, date_field, filter, job_key, scope_key, plain_key_index)
       SELECT ?, ?, 'running', ?, ?, ?, ?, ?,
              IF(EXISTS (SELECT 1 FROM job_runs other WHERE other.plain_key_index <> ?), NULL, ?)
       ON DUPLICATE KEY UPDATE job_id = job_runs.job_id`,
      [
        new Date(interval.from),
        new Date(interval.to),
        scope.index,
        scope.dateField,
        scope.filter ?? null,
        key,
        scopeKey(scope),
        only,
        only,
      ],
    );
    const job = await findJob(on, scope, interval);
    if (!job) throw new Error('a job just made was not found');
    reached('job-inserted');
    return job;
  });
}

/**
 * Takes the job's extraction lease if nobody holds a live one; a completed job then starts over, its windows to be cut
 * anew. False: somebody holds it.
 */
export function leaseJob(database: Database, jobId: number, lease: Lease): Promise<boolean> {
  return database.transaction(async (on) => {
    const [job] = await on.rows<{ status: Job['status'] }>(
      'SELECT status FROM job_runs WHERE job_id = ? FOR UPDATE',
      [jobId],
    );
    const { affectedRows } = await on.change(
      `UPDATE job_runs SET status = 'running', lease_token = ?, lease_owner = ?, lease_process = ?,
              lease_expires_at = NOW(6) + INTERVAL ? SECOND
       WHERE job_id = ? AND (lease_token IS NULL OR lease_token = ? OR lease_expires_at < NOW(6))`,
      [lease.token, lease.owner, lease.process, lease.seconds, jobId, lease.token],
    );
    if (affectedRows === 1 && job?.status === 'completed') await forgetWindows(on, jobId);
    return affectedRows === 1;
  });
}

/** Who holds the job, and until when by the database's clock. */
export async function jobHolder(
  database: Database,
  jobId: number,
): Promise<{ owner: string; expiresAt: Date } | undefined> {
  const [row] = await database.rows<{ lease_owner: string | null; lease_expires_at: Date | null }>(
    'SELECT lease_owner, lease_expires_at FROM job_runs WHERE job_id = ? AND lease_token IS NOT NULL',
    [jobId],
  );
  return row?.lease_owner && row.lease_expires_at
    ? { owner: row.lease_owner, expiresAt: row.lease_expires_at }
    : undefined;
}

/**
 * Where the job after a completed one starts; its question mark is `settle` in microseconds. Where it ends, but not behind
 * what could be read when it was made: of an interval that reached into the future the rest is still to come.
 */
export const NEXT_RUN_DATE =
  'LEAST(end_date, GREATEST(start_date, created_at - INTERVAL ? MICROSECOND))';

/**
 * Ends an extraction under its lease: `completed` moves `next_run_date` on, `failed` and `running` (stopped,
 * to be resumed) leave it. False where the lease was lost.
 */
export async function closeJob(
  database: Database,
  jobId: number,
  lease: Lease,
  status: Job['status'],
  settleMs = 0,
): Promise<boolean> {
  const { affectedRows } = await database.change(
    `UPDATE job_runs SET status = ?,
            next_run_date = IF(? = 'completed', ${NEXT_RUN_DATE}, next_run_date),
            lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
     WHERE job_id = ? AND lease_token = ?`,
    [status, status, settleMs * 1000, jobId, lease.token],
  );
  if (affectedRows === 1) return true;
  // Closed already, where that had gone through unheard.
  const closed = await database.rows(
    'SELECT 1 FROM job_runs WHERE job_id = ? AND status = ? AND lease_token IS NULL',
    [jobId, status],
  );
  return closed.length > 0;
}

/** Extractions somebody holds under a live lease. */
export async function heldJobs(database: Database, scope: JobSet = ALL_JOBS): Promise<Held> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows<HeldRow>(
    `SELECT lease_owner, COUNT(*) AS held, MAX(lease_expires_at) AS until,
            MAX(TIMESTAMPDIFF(SECOND, NOW(6), lease_expires_at)) AS seconds_left, ${IDENTITY} AS identity FROM job_runs
     WHERE lease_expires_at >= NOW(6) AND ${jobs.sql} GROUP BY lease_owner ORDER BY until DESC`,
    jobs.parameters,
  );
  return toHeld(rows);
}

/** What the job has so far: messages added, and those other jobs had already. */
export async function jobTotals(
  database: Database,
  jobId: number,
): Promise<{ expected: number; extracted: number; duplicates: number }> {
  const [row] = await database.rows<{
    expected: number;
    extracted: number;
    duplicates: number;
  }>(
    `SELECT j.extracted,
            (SELECT CAST(COALESCE(SUM(w.expected), 0) AS UNSIGNED) FROM extract_windows w WHERE w.job_id = j.job_id) AS expected,
            (SELECT CAST(COALESCE(SUM(w.duplicates), 0) AS UNSIGNED) FROM extract_windows w WHERE w.job_id = j.job_id) AS duplicates
     FROM job_runs j WHERE j.job_id = ?`,
    [jobId],
  );
  if (!row) throw new Error(`job ${jobId} has no row`);
  return row;
}

function toJob(row: JobRow): Job {
  return {
    jobId: row.job_id,
    interval: { from: row.start_date.getTime(), to: row.end_date.getTime() },
    status: row.status,
    extracted: row.extracted,
  };
}

/** What jobs of the same scope have in common. */
export function scopeKey({ index, dateField, filter }: JobScope): Buffer {
  return digest([index, dateField, withoutBlanks(filter ?? '')]);
}

function jobKey(scope: JobScope, { from, to }: Interval): Buffer {
  return digest([
    scope.index,
    scope.dateField,
    withoutBlanks(scope.filter ?? ''),
    String(from),
    String(to),
  ]);
}

/** JSON text without blanks between its tokens: the same filter, laid out otherwise, is the same. */
function withoutBlanks(json: string): string {
  return json.replace(/("(?:[^"\\]|\\.)*")|\s+/g, '$1');
}

/** Each part with its length before it, so that no two lists of parts run together. */
function digest(parts: readonly string[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest();
}
