import type { Database } from './database.js';

/** A pending batch for which no message is known to be in the queue. */
export interface UnsentBatch {
  readonly batchId: number;
  readonly jobId: number;
}

export interface UnsentScope {
  /** The job whose last batch is left out: it is being filled. */
  readonly growing: number | undefined;
  readonly exceptJobs: readonly number[];
  /** Only batches behind this one. */
  readonly after: number;
  readonly limit: number;
}

/** Pending batches that a message is to be sent for, in order. */
export async function unsentBatches(
  database: Database,
  { growing = 0, exceptJobs, after, limit }: UnsentScope,
): Promise<UnsentBatch[]> {
  const rows = await database.rows<{ batch_id: number; job_id: number }>(
    `SELECT batch_id, job_id FROM batch_progress
     WHERE status = 'pending' AND batch_id > ? AND queued_at IS NULL AND job_id NOT IN (?)
       AND (job_id <> ? OR batch_id < (SELECT MAX(batch_id) FROM batch_progress WHERE job_id = ?))
     ORDER BY batch_id LIMIT ?`,
    [after, [0, ...exceptJobs], growing, growing, limit],
  );
  return rows.map((row) => ({ batchId: row.batch_id, jobId: row.job_id }));
}

/**
 * Remembers that messages were sent. Only behind the sending: a crash in between sends them once more, and a message that
 * comes twice does nothing the second time. A batch that was claimed meanwhile is left alone.
 */
export async function markSent(database: Database, batchIds: readonly number[]): Promise<void> {
  if (batchIds.length === 0) return;
  await database.change(
    `UPDATE batch_progress SET queued_at = NOW(3) WHERE batch_id IN (?) AND status = 'pending'`,
    [batchIds],
  );
}

/** Counts messages that were sent so long ago as gone: their batches are due again. */
export async function forgetSent(database: Database, olderThanSeconds: number): Promise<number> {
  const { affectedRows } = await database.change(
    `UPDATE batch_progress SET queued_at = NULL
     WHERE status = 'pending' AND queued_at < NOW(3) - INTERVAL ? SECOND`,
    [olderThanSeconds],
  );
  return affectedRows;
}
