import { usage } from '../errors.js';
import { beginAcceptance, type Settlement } from './acceptances.js';
import type { Database, Statements } from './database.js';
import { NEXT_RUN_DATE } from './jobs.js';
import { isAcceptedWindow } from './windows.js';

export interface NamedWindow {
  readonly jobId: number;
  readonly windowId: number;
}

/**
 * Makes sure that a window could not be read whole.
 *
 * @returns whether it is accepted already
 * @throws MigrateError `usage` that says how it stands
 */
export async function requireFailedWindow(
  on: Statements,
  { jobId, windowId }: NamedWindow,
): Promise<{ accepted: boolean }> {
  const [row] = await on.rows<{ status: string; accepted: number }>(
    `SELECT w.status, ${isAcceptedWindow('w')} AS accepted FROM extract_windows w
     WHERE w.job_id = ? AND w.window_id = ?`,
    [jobId, windowId],
  );
  const advice = '"es-migrate status" lists the windows that could not be read whole.';
  if (!row) throw usage(`job ${jobId} has no window ${windowId}`, advice);
  if (row.status !== 'failed')
    throw usage(`window ${windowId} of job ${jobId} is ${row.status}, not failed`, advice);
  return { accepted: row.accepted === 1 };
}

/**
 * Accepts that a window could not be read whole. An extraction whose windows are all read or accepted is completed by that: the
 * next one starts behind it.
 *
 * @param ingestDelayMs how long before now an extraction ends unless it is told, in milliseconds
 * @returns false where somebody else has accepted it meanwhile
 * @throws MigrateError `usage` as `requireFailedWindow`
 */
export async function acceptWindow(
  database: Database,
  window: NamedWindow,
  settlement: Settlement,
  ingestDelayMs: number,
): Promise<boolean> {
  const { jobId, windowId } = window;
  // Those of tries whose COMMIT may have gone through unheard.
  const begun: number[] = [];
  return database.transaction(async (on) => {
    // The reader of the job's windows changes them under this lock.
    await on.rows('SELECT 1 FROM job_runs WHERE job_id = ? FOR UPDATE', [jobId]);
    const { accepted } = await requireFailedWindow(on, window);
    if (accepted) return isAcceptedBy(on, window, begun);
    const { acceptanceId } = await beginAcceptance(on, settlement);
    begun.push(acceptanceId);
    await on.change(
      `UPDATE extract_windows w SET w.acceptance_id = ?, w.accepted_at = NOW(6), w.changed_at = NOW(6)
       WHERE w.job_id = ? AND w.window_id = ?`,
      [acceptanceId, jobId, windowId],
    );
    await completeSettled(on, jobId, ingestDelayMs);
    return true;
  });
}

async function isAcceptedBy(
  on: Statements,
  { jobId, windowId }: NamedWindow,
  acceptances: readonly number[],
): Promise<boolean> {
  if (acceptances.length === 0) return false;
  const rows = await on.rows(
    'SELECT 1 FROM extract_windows WHERE job_id = ? AND window_id = ? AND acceptance_id IN (?)',
    [jobId, windowId, acceptances],
  );
  return rows.length > 0;
}

/** Completes an extraction that ended with failed windows once all of these are accepted. */
async function completeSettled(
  on: Statements,
  jobId: number,
  ingestDelayMs: number,
): Promise<void> {
  await on.change(
    `UPDATE job_runs SET status = 'completed', next_run_date = ${NEXT_RUN_DATE}
     WHERE job_id = ? AND status = 'failed' AND lease_token IS NULL AND NOT EXISTS (
       SELECT 1 FROM extract_windows w
       WHERE w.job_id = ? AND w.status <> 'completed' AND NOT ${isAcceptedWindow('w')})`,
    [ingestDelayMs * 1000, jobId, jobId],
  );
}
