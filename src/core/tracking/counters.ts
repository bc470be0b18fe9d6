import { groupBy } from '../group-by.js';
import type { Counts, JobStatus } from '../status/types.js';
import { contradicts } from './agreement.js';
import type { Database } from './database.js';
import { isAccepted } from './failed-batches.js';
import { listFailedWindows } from './failed-windows.js';
import { NONE, type GoneTokens } from './gone-owners.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';
import { isAcceptedWindow } from './windows.js';

/** Completions over this long make the rate. */
const RATE_MINUTES = 5;

interface BatchSums {
  status: 'pending' | 'in_progress' | 'completed' | 'failed';
  batches: number;
  total: number;
  processed: number;
  failed: number;
  accepted: number;
  accepted_batches: number;
}

const SUMS = `COUNT(*) AS batches, CAST(SUM(total_messages) AS UNSIGNED) AS total,
  CAST(SUM(processed) AS UNSIGNED) AS processed, CAST(SUM(failed) AS UNSIGNED) AS failed,
  CAST(SUM(IF(${isAccepted('batch_progress')}, failed, 0)) AS UNSIGNED) AS accepted,
  CAST(SUM(${isAccepted('batch_progress')}) AS UNSIGNED) AS accepted_batches`;

/** Messages and batches by status, of some jobs or of all, from the batches' counters (invariant 9). */
export async function countBatches(
  database: Database,
  scope: JobSet = ALL_JOBS,
): Promise<{
  messages: Counts;
  batches: Counts;
  /** Messages of closed batches that are neither completed nor failed, by the counters: part of those in progress. */
  leftBehind: number;
}> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows<BatchSums>(
    `SELECT status, ${SUMS} FROM batch_progress WHERE ${jobs.sql} GROUP BY status`,
    jobs.parameters,
  );
  return {
    messages: messageCounts(rows),
    batches: batchCounts(rows),
    leftBehind: left(rows, 'completed') + left(rows, 'failed'),
  };
}

/** The jobs, or one of them, oldest first, and their sums: of all batches, read once. */
export async function countJobs(
  database: Database,
  jobId?: number,
): Promise<{ jobs: JobStatus[]; messages: Counts; batches: Counts }> {
  const jobs = await database.rows<{
    job_id: number;
    start_date: Date;
    end_date: Date;
    status: JobStatus['status'];
    extracted: number;
    expected: number;
    duplicates: number;
    extracting: number;
    working: number;
  }>(
    `SELECT j.job_id, j.start_date, j.end_date, j.status, j.extracted,
            CAST(COALESCE(w.expected, 0) AS UNSIGNED) AS expected,
            CAST(COALESCE(w.duplicates, 0) AS UNSIGNED) AS duplicates,
            COALESCE(j.lease_expires_at >= NOW(6), FALSE) AS extracting,
            EXISTS (SELECT 1 FROM batch_progress b WHERE b.job_id = j.job_id AND b.status = 'in_progress'
                      AND b.lease_expires_at >= NOW(6)) AS working
     FROM job_runs j LEFT JOIN (
       SELECT job_id, SUM(expected) AS expected, SUM(duplicates) AS duplicates FROM extract_windows GROUP BY job_id) w ON w.job_id = j.job_id
     WHERE (? IS NULL OR j.job_id = ?) ORDER BY j.job_id`,
    [jobId ?? null, jobId ?? null],
  );
  const sums = await database.rows<BatchSums & { job_id: number }>(
    `SELECT job_id, status, ${SUMS} FROM batch_progress WHERE (? IS NULL OR job_id = ?) GROUP BY job_id, status`,
    [jobId ?? null, jobId ?? null],
  );
  const windows = await listFailedWindows(database, jobId);
  const byJob = groupBy(sums, ({ job_id }) => job_id);
  const counted = jobs.map((job) => {
    const messages = messageCounts(byJob.get(job.job_id) ?? []);
    const isHeld = { extracting: job.extracting === 1, working: job.working === 1 };
    return {
      jobId: job.job_id,
      from: job.start_date,
      to: job.end_date,
      status: job.status,
      state: stateOf(job.status, messages, isHeld),
      expected: job.expected,
      extracted: job.extracted,
      duplicates: job.duplicates,
      messages,
      failedWindows: windows.get(job.job_id) ?? [],
    };
  });
  return { jobs: counted, messages: messageCounts(sums), batches: batchCounts(sums) };
}

/**
 * Batches and extractions whose lease has run out.
 *
 * @param gone those that count as well
 */
export async function countStuck(
  database: Database,
  jobId?: number,
  gone: GoneTokens = NONE,
): Promise<number> {
  const [row] = await database.rows<{ stuck: number }>(
    `SELECT (SELECT COUNT(*) FROM batch_progress WHERE status = 'in_progress'
               AND (lease_expires_at < NOW(6) OR lease_token IN (?)) AND (? IS NULL OR job_id = ?))
          + (SELECT COUNT(*) FROM job_runs WHERE (lease_expires_at < NOW(6) OR lease_token IN (?))
               AND (? IS NULL OR job_id = ?)) AS stuck`,
    [gone.batches, gone.extractions].flatMap((tokens) => [tokens, jobId ?? null, jobId ?? null]),
  );
  return row?.stuck ?? 0;
}

/** Windows that could not be read whole and are not accepted. */
export async function countFailedWindows(database: Database, scope: JobSet): Promise<number> {
  const jobs = inScope(scope, 'w.job_id');
  const [row] = await database.rows<{ failed: number }>(
    `SELECT COUNT(*) AS failed FROM extract_windows w
     WHERE w.status = 'failed' AND ${jobs.sql} AND NOT ${isAcceptedWindow('w')}`,
    jobs.parameters,
  );
  return row?.failed ?? 0;
}

/** Whether a batch is pending, also one that another transaction has locked just now; but for those that are passed over. */
export async function hasPending(
  database: Database,
  scope: JobSet,
  passOver: readonly number[] = [],
): Promise<boolean> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows(
    `SELECT 1 FROM batch_progress WHERE status = 'pending' AND ${jobs.sql} AND batch_id NOT IN (?) LIMIT 1`,
    // There is no batch 0, and an empty list is no SQL.
    [...jobs.parameters, [0, ...passOver]],
  );
  return rows.length > 0;
}

/**
 * Batches without a holder that cannot be claimed: their counters and their rows say different things. It reads the rows of all
 * batches that could be claimed, so it is asked where hardly any is left.
 */
export async function countAtOdds(database: Database, scope: JobSet): Promise<number> {
  const jobs = inScope(scope, 'b.job_id');
  const [row] = await database.rows<{ batches: number }>(
    `SELECT COUNT(*) AS batches FROM batch_progress b
     WHERE (b.status = 'pending' OR (b.status = 'in_progress' AND b.lease_expires_at < NOW(6))) AND ${jobs.sql}
       AND ${contradicts('b')}`,
    jobs.parameters,
  );
  return row?.batches ?? 0;
}

/** Messages completed a second over the last minutes; null where there were none. */
export async function recentRate(database: Database, jobId?: number): Promise<number | null> {
  const [row] = await database.rows<{ messages: number | null; seconds: number | null }>(
    `SELECT CAST(SUM(processed) AS UNSIGNED) AS messages,
            TIMESTAMPDIFF(MICROSECOND, MIN(claimed_at), MAX(completed_at)) / 1000000 AS seconds
     FROM batch_progress WHERE completed_at > NOW(3) - INTERVAL ? MINUTE AND (? IS NULL OR job_id = ?)`,
    [RATE_MINUTES, jobId ?? null, jobId ?? null],
  );
  if (!row?.messages) return null;
  return row.messages / Math.max(1, Number(row.seconds));
}

/** Where a job stands, from who holds it or any of its batches, and from what is left. */
function stateOf(
  status: JobStatus['status'],
  messages: Counts,
  { extracting, working }: { extracting: boolean; working: boolean },
): JobStatus['state'] {
  if (extracting) return 'extracting';
  if (working) return 'processing';
  return status === 'completed' && messages.pending + messages.inProgress === 0
    ? 'done'
    : 'stopped';
}

function messageCounts(rows: readonly BatchSums[]): Counts {
  return {
    total: sum(rows.map(({ total }) => total)),
    pending: left(rows, 'pending'),
    // Also those that a closed batch has left behind, or nobody would miss them.
    inProgress: left(rows, 'in_progress') + left(rows, 'completed') + left(rows, 'failed'),
    completed: sum(rows.map(({ processed }) => processed)),
    failed: sum(rows.map(({ failed }) => failed)),
    accepted: sum(rows.map(({ accepted }) => accepted)),
  };
}

/** Messages of the batches of one status that are neither completed nor failed. */
function left(rows: readonly BatchSums[], status: BatchSums['status']): number {
  return sum(
    rows
      .filter((row) => row.status === status)
      .map(({ total, processed, failed }) => total - processed - failed),
  );
}

function batchCounts(rows: readonly BatchSums[]): Counts {
  const of = (status: BatchSums['status']) =>
    sum(rows.filter((row) => row.status === status).map(({ batches }) => batches));
  return {
    total: sum(rows.map(({ batches }) => batches)),
    pending: of('pending'),
    inProgress: of('in_progress'),
    completed: of('completed'),
    failed: of('failed'),
    accepted: sum(rows.map(({ accepted_batches }) => accepted_batches)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
