import type { Interval } from '../extract/types.js';
import type { Database } from './database.js';
import type { JobScope } from './jobs.js';
import { inScope, type JobSet } from './scope.js';
import { isAcceptedWindow } from './windows.js';

export interface VerifiedWindow {
  readonly jobId: number;
  readonly windowId: number;
  readonly interval: Interval;
  readonly status: 'pending' | 'reading' | 'completed' | 'failed';
  /** What Elasticsearch counted when it was read. */
  readonly expected: number;
  readonly read: number;
  /** Of those read, what another job had already. */
  readonly duplicates: number;
  readonly reason: string | undefined;
  /** Failed, and settled with `accept`. */
  readonly accepted: boolean;
  /** Which messages its job is about. */
  readonly scope: JobScope;
}

/** The next windows behind one, in order of job and window. */
export async function windowsAfter(
  database: Database,
  scope: JobSet,
  after: { jobId: number; windowId: number },
  limit: number,
): Promise<VerifiedWindow[]> {
  const jobs = inScope(scope, 'w.job_id');
  const rows = await database.rows<{
    job_id: number;
    window_id: number;
    start_date: Date;
    end_date: Date;
    status: VerifiedWindow['status'];
    expected: number;
    read_messages: number;
    duplicates: number;
    reason: string | null;
    accepted: number;
    source_index: string;
    date_field: string;
    filter: string | null;
  }>(
    `SELECT w.job_id, w.window_id, w.start_date, w.end_date, w.status, w.expected, w.read_messages, w.duplicates, w.reason,
            ${isAcceptedWindow('w')} AS accepted,
            j.source_index, j.date_field, j.filter
     FROM extract_windows w JOIN job_runs j ON j.job_id = w.job_id
     WHERE ${jobs.sql} AND (w.job_id > ? OR (w.job_id = ? AND w.window_id > ?))
     ORDER BY w.job_id, w.window_id LIMIT ?`,
    [...jobs.parameters, after.jobId, after.jobId, after.windowId, limit],
  );
  return rows.map((row) => ({
    jobId: row.job_id,
    windowId: row.window_id,
    interval: { from: row.start_date.getTime(), to: row.end_date.getTime() },
    status: row.status,
    expected: row.expected,
    read: row.read_messages,
    duplicates: row.duplicates,
    reason: row.reason ?? undefined,
    accepted: row.accepted === 1,
    scope: {
      index: row.source_index,
      dateField: row.date_field,
      filter: row.filter ?? undefined,
    },
  }));
}

/** Jobs that are not completed and have no windows: what they have to read is not known yet. */
export async function countUnplanned(database: Database, scope: JobSet): Promise<number> {
  const jobs = inScope(scope, 'j.job_id');
  const [row] = await database.rows<{ unplanned: number }>(
    `SELECT COUNT(*) AS unplanned FROM job_runs j WHERE ${jobs.sql} AND j.status <> 'completed'
       AND NOT EXISTS (SELECT 1 FROM extract_windows w WHERE w.job_id = j.job_id)`,
    jobs.parameters,
  );
  return row?.unplanned ?? 0;
}

/** What a job's rows are said to add up to, in each of the places that say it. */
export interface JobSums {
  readonly jobId: number;
  readonly status: 'running' | 'completed' | 'failed';
  /** Messages added, as the job says. */
  readonly extracted: number;
  /** The same, as its batches say. */
  readonly total: number;
  readonly pending: number;
  /** Read in its windows, less what other jobs had already. */
  readonly read: number;
  readonly isRead: boolean;
  /** Whether its windows lie end to end from its start to its end; they do once they are planned. */
  readonly isCovered: boolean;
}

export async function jobSums(database: Database, scope: JobSet): Promise<JobSums[]> {
  const jobs = inScope(scope, 'j.job_id');
  const rows = await database.rows<{
    job_id: number;
    status: JobSums['status'];
    extracted: number;
    total: number;
    pending: number;
    read_messages: number;
    open: number;
    covered: number | null;
  }>(
    `SELECT j.job_id, j.status, j.extracted, CAST(COALESCE(b.total, 0) AS SIGNED) AS total,
            CAST(COALESCE(b.pending, 0) AS SIGNED) AS pending, CAST(COALESCE(w.read_messages, 0) AS SIGNED) AS read_messages,
            CAST(COALESCE(w.open, 0) AS SIGNED) AS open,
            w.start_date = j.start_date AND w.end_date = j.end_date
              AND w.microseconds = TIMESTAMPDIFF(MICROSECOND, j.start_date, j.end_date) AS covered
     FROM job_runs j
     LEFT JOIN (SELECT job_id, SUM(total_messages) AS total,
                       SUM(CAST(total_messages AS SIGNED) - CAST(processed AS SIGNED) - CAST(failed AS SIGNED)) AS pending
                FROM batch_progress GROUP BY job_id) b ON b.job_id = j.job_id
     LEFT JOIN (SELECT job_id, SUM(CAST(read_messages AS SIGNED) - CAST(duplicates AS SIGNED)) AS read_messages,
                       SUM(status <> 'completed') AS open, MIN(start_date) AS start_date, MAX(end_date) AS end_date,
                       SUM(TIMESTAMPDIFF(MICROSECOND, start_date, end_date)) AS microseconds
                FROM extract_windows GROUP BY job_id) w ON w.job_id = j.job_id
     WHERE ${jobs.sql} ORDER BY j.job_id`,
    jobs.parameters,
  );
  return rows.map((row) => ({
    jobId: row.job_id,
    status: row.status,
    extracted: row.extracted,
    total: row.total,
    pending: row.pending,
    read: row.read_messages,
    isRead: row.status === 'completed' && row.open === 0,
    isCovered: row.covered === 1,
  }));
}

/** Failed batches whose messages are looked through by one statement: 10,000 each at most. */
const BATCHES_AT_ONCE = 20;

/** Whether any message of a job failed because its id occurs more than once in an index: read several times, tracked once. */
export async function hasAmbiguous(database: Database, jobId: number): Promise<boolean> {
  for (let after = 0; ;) {
    const failed = await database.rows<{ batch_id: number }>(
      `SELECT batch_id FROM batch_progress WHERE status = 'failed' AND job_id = ? AND batch_id > ?
       ORDER BY batch_id LIMIT ?`,
      [jobId, after, BATCHES_AT_ONCE],
    );
    const last = failed.at(-1);
    if (!last) return false;
    const found = await database.rows(
      `SELECT 1 FROM message_tracking WHERE batch_id IN (?) AND status = 'failed' AND error_code = 'ambiguous_id' LIMIT 1`,
      [failed.map(({ batch_id }) => batch_id)],
    );
    if (found.length > 0) return true;
    after = last.batch_id;
  }
}

/** Whether there are jobs that are not verified. */
export async function hasOtherJobs(database: Database, scope: JobSet): Promise<boolean> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows(`SELECT 1 FROM job_runs WHERE NOT (${jobs.sql}) LIMIT 1`, [
    ...jobs.parameters,
  ]);
  return rows.length > 0;
}
