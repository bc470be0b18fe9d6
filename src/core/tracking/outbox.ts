import type { Statements } from './database.js';
import { inScope, type JobSet } from './scope.js';

/** A batch that waits, for which no message is known to be in the queue. */
export interface UnsentBatch {
  readonly batchId: number;
  readonly jobId: number;
  /** How often it was claimed so far. */
  readonly claims: number;
}

export interface UnsentScope {
  /** Only this job, which is being extracted; its last batch is left out: it is being filled. */
  readonly growing: number | undefined;
  readonly jobs: JobSet;
  /** Only batches behind this one. */
  readonly after: number;
  readonly limit: number;
}

/** Pending, or claimed by somebody whose lease has run out. */
const WAITS = `(status = 'pending' OR (status = 'in_progress' AND lease_expires_at < NOW(6)))`;

const LOST = `${WAITS} AND queued_at < NOW(3) - INTERVAL ? SECOND`;

/** Batches that a message is to be sent for, in order. */
export async function unsentBatches(
  on: Statements,
  { growing = 0, jobs, after, limit }: UnsentScope,
): Promise<UnsentBatch[]> {
  const scope = inScope(jobs, 'job_id');
  const rows = await on.rows<{ batch_id: number; job_id: number; claims: number }>(
    `SELECT batch_id, job_id, claims FROM batch_progress
     WHERE status IN ('pending', 'in_progress') AND ${WAITS} AND batch_id > ? AND queued_at IS NULL AND ${scope.sql}
       AND (? = 0 OR (job_id = ? AND batch_id < (SELECT MAX(batch_id) FROM batch_progress WHERE job_id = ?)))
     ORDER BY batch_id LIMIT ?`,
    [after, ...scope.parameters, growing, growing, growing, limit],
  );
  return rows.map((row) => ({ batchId: row.batch_id, jobId: row.job_id, claims: row.claims }));
}

/**
 * Remembers that messages are in the queue. Only behind the sending: a crash in between sends them once more, and a message
 * that comes twice does nothing the second time. Whoever has claimed such a batch meanwhile answers for the message it came by.
 */
export async function markSent(on: Statements, batchIds: readonly number[]): Promise<void> {
  if (batchIds.length === 0) return;
  await on.change(
    `UPDATE batch_progress SET queued_at = NOW(3)
     WHERE batch_id IN (?) AND status IN ('pending', 'in_progress')`,
    [batchIds],
  );
}

/** Batches that wait for a message that was sent at least so many seconds ago. */
export async function countSent(
  on: Statements,
  olderThanSeconds: number,
  jobs: JobSet,
): Promise<number> {
  const scope = inScope(jobs, 'job_id');
  const [row] = await on.rows<{ sent: number }>(
    `SELECT COUNT(*) AS sent FROM batch_progress
     WHERE status = 'pending' AND queued_at < NOW(3) - INTERVAL ? SECOND AND ${scope.sql}`,
    [olderThanSeconds, ...scope.parameters],
  );
  return row?.sent ?? 0;
}

/**
 * Counts messages that were sent so long ago as gone: their batches are due again. They are looked up first, since an UPDATE would
 * wait for every batch that somebody has locked just now.
 */
export async function forgetSent(
  on: Statements,
  olderThanSeconds: number,
  jobs: JobSet,
): Promise<number> {
  const scope = inScope(jobs, 'job_id');
  let forgotten = 0;
  for (let after = 0; ;) {
    const rows = await on.rows<{ batch_id: number }>(
      `SELECT batch_id FROM batch_progress
       WHERE status IN ('pending', 'in_progress') AND ${LOST} AND ${scope.sql} AND batch_id > ?
       ORDER BY batch_id LIMIT 1000`,
      [olderThanSeconds, ...scope.parameters, after],
    );
    const ids = rows.map(({ batch_id }) => batch_id);
    const last = ids.at(-1);
    if (last === undefined) return forgotten;
    const { affectedRows } = await on.change(
      `UPDATE batch_progress SET queued_at = NULL WHERE batch_id IN (?) AND ${LOST}`,
      [ids, olderThanSeconds],
    );
    forgotten += affectedRows;
    after = last;
  }
}
