import { POISONED } from '../process/failures.js';
import { scrub } from '../secrets/known.js';
import { requireNoneLeft } from './agreement.js';
import { findNamed } from './claims.js';
import type { Database } from './database.js';

/**
 * Marks all unfinished messages of a batch as poisoned. Nothing is changed where somebody
 * holds it under a live lease, or where it is finished.
 *
 * @returns how many messages that were, or how it stands
 */
export function failBatch(
  database: Database,
  { jobId, batchId }: { jobId: number; batchId: number },
  detail: string,
): Promise<number | 'finished' | 'missing' | 'held'> {
  return database.transaction(async (on) => {
    const { kind } = await findNamed(on, jobId, batchId);
    if (kind !== 'claimable') return kind;
    await on.change(
      `INSERT INTO message_errors (message_id, index_id, job_id, batch_id, stage, code, attempt, detail)
       SELECT message_id, index_id, ?, batch_id, 'batch', ?, attempts + 1, ? FROM message_tracking
       WHERE batch_id = ? AND status IN ('pending', 'in_progress')`,
      [jobId, POISONED, scrub(detail).slice(0, 1000), batchId],
    );
    const { affectedRows } = await on.change(
      `UPDATE message_tracking SET status = 'failed', attempts = attempts + 1, error_code = ?, last_attempted = NOW(3)
       WHERE batch_id = ? AND status IN ('pending', 'in_progress')`,
      [POISONED, batchId],
    );
    await on.change(
      `UPDATE batch_progress SET status = IF(failed + ? = 0, 'completed', 'failed'), failed = failed + ?,
              tries = 0, suspect = FALSE, completed_at = NOW(3), queued_at = NULL, lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
       WHERE batch_id = ?`,
      [affectedRows, affectedRows, batchId],
    );
    await requireNoneLeft(on, batchId);
    return affectedRows;
  });
}
