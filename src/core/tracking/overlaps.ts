import type { Database, Statements } from './database.js';
import { inScope, type JobSet } from './scope.js';

/** How many messages other jobs hold, by job. */
export type Holders = ReadonlyMap<number, number>;

/** Adds to what is known of a window: which jobs hold messages that were met in it. Within the page's transaction. */
export async function addOverlaps(
  on: Statements,
  { jobId, windowId }: { readonly jobId: number; readonly windowId: number },
  holders: Holders,
): Promise<void> {
  for (const [other, messages] of holders) {
    await on.change(
      `INSERT INTO job_overlaps (job_id, window_id, other_job_id, messages) VALUES (?, ?, ?, ?)
       ON DUPLICATE KEY UPDATE messages = messages + ?`,
      [jobId, windowId, other, messages, messages],
    );
  }
}

/** Forgets what is known of a job's windows, or of one of them. */
export async function forgetOverlaps(
  on: Statements,
  jobId: number,
  windowId?: number,
): Promise<void> {
  await on.change('DELETE FROM job_overlaps WHERE job_id = ? AND (? IS NULL OR window_id = ?)', [
    jobId,
    windowId ?? null,
    windowId ?? null,
  ]);
}

/**
 * The other jobs that hold messages these jobs met as duplicates, in order. `areAll` is false where an earlier version of
 * es-migrate read one of their windows: it did not store which jobs.
 */
export async function overlappingJobs(
  database: Database,
  jobs: readonly number[],
): Promise<{ jobs: readonly number[]; areAll: boolean }> {
  if (jobs.length === 0) return { jobs: [], areAll: true };
  const unknown = await database.rows(
    `SELECT 1 FROM extract_windows w WHERE w.job_id IN (?) AND w.duplicates <> (
       SELECT COALESCE(SUM(o.messages), 0) FROM job_overlaps o WHERE o.job_id = w.job_id AND o.window_id = w.window_id)
     LIMIT 1`,
    [jobs],
  );
  const rows = await database.rows<{ other_job_id: number }>(
    `SELECT DISTINCT other_job_id FROM job_overlaps WHERE job_id IN (?) AND other_job_id NOT IN (?)
     ORDER BY other_job_id`,
    [jobs, jobs],
  );
  return { jobs: rows.map(({ other_job_id }) => other_job_id), areAll: unknown.length === 0 };
}

/** How many messages that these jobs met others hold; undefined where an earlier version did not store it. */
export async function countOverlap(
  database: Database,
  jobs: readonly number[],
  others: readonly number[],
): Promise<number | undefined> {
  const [row] = await database.rows<{ messages: number | null }>(
    `SELECT CAST(SUM(messages) AS UNSIGNED) AS messages FROM job_overlaps WHERE job_id IN (?) AND other_job_id IN (?)`,
    [jobs, others],
  );
  return row?.messages ?? undefined;
}

/** Messages that jobs of a scope met as duplicates, by who holds them. */
export interface HeldOutside {
  /** Jobs outside the scope. */
  readonly outside: number;
  /** It is not known whether within the scope or outside it: an earlier version did not store it. */
  readonly unknown: number;
}

/** How many messages that jobs of this scope met jobs outside it hold. */
export async function heldOutside(database: Database, scope: JobSet): Promise<HeldOutside> {
  const by = inScope(scope, 'job_id');
  const holder = inScope(scope, 'other_job_id');
  const [row] = await database.rows<{ duplicates: number; met: number; outside: number }>(
    `SELECT (SELECT CAST(COALESCE(SUM(duplicates), 0) AS SIGNED) FROM extract_windows WHERE ${by.sql}) AS duplicates,
            (SELECT CAST(COALESCE(SUM(messages), 0) AS SIGNED) FROM job_overlaps WHERE ${by.sql}) AS met,
            (SELECT CAST(COALESCE(SUM(messages), 0) AS SIGNED) FROM job_overlaps
             WHERE ${by.sql} AND NOT (${holder.sql})) AS outside`,
    [...by.parameters, ...by.parameters, ...by.parameters, ...holder.parameters],
  );
  const { duplicates = 0, met = 0, outside = 0 } = row ?? {};
  return { outside, unknown: Math.max(0, duplicates - met) };
}
