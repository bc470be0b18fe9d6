import type { ResetStuckOutcome } from '../recover/types.js';
import type { Database } from './database.js';
import { NONE, type GoneTokens } from './gone-owners.js';

const EXPIRED = 'lease_expires_at < NOW(6) - INTERVAL ? SECOND';

/**
 * Batches and extractions whose lease ran out at least this long ago.
 *
 * @param gone those that count as well
 */
export async function listStuck(
  database: Database,
  olderThanSeconds: number,
  gone: GoneTokens = NONE,
): Promise<ResetStuckOutcome> {
  const batches = await database.rows<{
    batch_id: number;
    job_id: number;
    messages: number;
    lease_owner: string;
    lease_expires_at: Date;
  }>(
    `SELECT batch_id, job_id, total_messages - processed - failed AS messages, lease_owner,
            LEAST(lease_expires_at, NOW(6)) AS lease_expires_at
     FROM batch_progress WHERE status = 'in_progress' AND (${EXPIRED} OR lease_token IN (?)) ORDER BY batch_id`,
    [olderThanSeconds, gone.batches],
  );
  const jobs = await database.rows<{ job_id: number; lease_owner: string; lease_expires_at: Date }>(
    `SELECT job_id, lease_owner, LEAST(lease_expires_at, NOW(6)) AS lease_expires_at FROM job_runs
     WHERE ${EXPIRED} OR lease_token IN (?) ORDER BY job_id`,
    [olderThanSeconds, gone.extractions],
  );
  return {
    batches: batches.map((row) => ({
      batchId: row.batch_id,
      jobId: row.job_id,
      messages: row.messages,
      owner: row.lease_owner,
      expiredAt: row.lease_expires_at,
    })),
    extractions: jobs.map((row) => ({
      jobId: row.job_id,
      owner: row.lease_owner,
      expiredAt: row.lease_expires_at,
    })),
  };
}

/**
 * Makes one stuck batch claimable. One conditional UPDATE, never select-then-update: false where its
 * owner has renewed or finished it, or somebody else has taken it over, since it was listed.
 */
export function resetBatch(
  database: Database,
  batchId: number,
  olderThanSeconds: number,
): Promise<boolean> {
  return database.transaction(async (on) => {
    const { affectedRows } = await on.change(
      `UPDATE batch_progress SET status = 'pending', lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
       WHERE batch_id = ? AND status = 'in_progress' AND ${EXPIRED}`,
      [batchId, olderThanSeconds],
    );
    if (affectedRows === 0) return false;
    await on.change(
      `UPDATE message_tracking SET status = 'pending' WHERE batch_id = ? AND status = 'in_progress'`,
      [batchId],
    );
    return true;
  });
}

/** Makes one stuck extraction claimable; false as for `resetBatch`. */
export async function resetExtraction(
  database: Database,
  jobId: number,
  olderThanSeconds: number,
): Promise<boolean> {
  const { affectedRows } = await database.change(
    `UPDATE job_runs SET lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
     WHERE job_id = ? AND ${EXPIRED}`,
    [jobId, olderThanSeconds],
  );
  return affectedRows === 1;
}
