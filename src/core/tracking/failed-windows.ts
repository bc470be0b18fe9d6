import { groupBy } from '../group-by.js';
import type { FailedWindow } from '../status/types.js';
import type { Database } from './database.js';
import { isAcceptedWindow } from './windows.js';

/** Windows that could not be read whole, in order of time, by job; of one job or of all. */
export async function listFailedWindows(
  database: Database,
  jobId?: number,
): Promise<Map<number, FailedWindow[]>> {
  const rows = await database.rows<{
    job_id: number;
    window_id: number;
    start_date: Date;
    end_date: Date;
    detail: string | null;
    accepted: number;
    accepted_by: string | null;
    accepted_at: Date | null;
    reason: string | null;
  }>(
    `SELECT w.job_id, w.window_id, w.start_date, w.end_date, w.reason AS detail, ${isAcceptedWindow('w')} AS accepted,
            a.accepted_by, a.accepted_at, a.reason
     FROM extract_windows w LEFT JOIN acceptances a ON a.acceptance_id = w.acceptance_id
     WHERE w.status = 'failed' AND (? IS NULL OR w.job_id = ?) ORDER BY w.job_id, w.window_id`,
    [jobId ?? null, jobId ?? null],
  );
  const byJob = groupBy(rows, ({ job_id }) => job_id);
  return new Map(
    [...byJob].map(([job, windows]) => [
      job,
      windows.map((row) => ({
        windowId: row.window_id,
        from: row.start_date,
        to: row.end_date,
        detail: row.detail ?? '',
        accepted:
          row.accepted === 1
            ? {
                by: row.accepted_by ?? 'unknown',
                at: row.accepted_at ?? new Date(0),
                reason: row.reason ?? '',
              }
            : null,
      })),
    ]),
  );
}
