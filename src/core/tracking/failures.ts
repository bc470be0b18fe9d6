import type { FailedMessage } from '../status/types.js';
import type { Database } from './database.js';
import { isAccepted } from './failed-batches.js';

/** Messages that stand as failed now, with their last error, in the order of their batches; those that are accepted come last. */
export async function listFailed(
  database: Database,
  { jobId, limit }: { jobId: number | undefined; limit: number },
): Promise<FailedMessage[]> {
  const open = await list(database, { jobId, accepted: false, limit });
  const left = limit - open.length;
  return left > 0
    ? [...open, ...(await list(database, { jobId, accepted: true, limit: left }))]
    : open;
}

async function list(
  database: Database,
  options: { jobId: number | undefined; accepted: boolean; limit: number },
): Promise<FailedMessage[]> {
  const rows = await database.rows<{
    message_id: Buffer;
    name: string;
    job_id: number;
    batch_id: number;
    stage: string | null;
    code: string | null;
    attempts: number;
    detail: string | null;
    created_at: Date | null;
    last_attempted: Date | null;
    accepted_by: string | null;
    accepted_at: Date | null;
    reason: string | null;
  }>(
    `SELECT t.message_id, i.name, b.job_id, t.batch_id, e.stage, t.error_code AS code, t.attempts, e.detail,
            e.created_at, t.last_attempted, a.accepted_by, a.accepted_at, a.reason
     FROM batch_progress b
     JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed'
     JOIN source_indices i ON i.index_id = t.index_id
     LEFT JOIN message_errors e ON e.error_id = (
       SELECT MAX(l.error_id) FROM message_errors l WHERE l.message_id = t.message_id AND l.index_id = t.index_id)
     LEFT JOIN acceptances a ON ${isAccepted('b')} AND a.acceptance_id = b.acceptance_id
     WHERE b.status = 'failed' AND (? IS NULL OR b.job_id = ?) AND ${isAccepted('b')} = ?
     ORDER BY t.batch_id, t.message_id, t.index_id LIMIT ?`,
    [options.jobId ?? null, options.jobId ?? null, options.accepted ? 1 : 0, options.limit],
  );
  return rows.map((row) => ({
    messageId: row.message_id.toString('utf8'),
    index: row.name,
    jobId: row.job_id,
    batchId: row.batch_id,
    stage: row.stage ?? 'unknown',
    code: row.code ?? 'unknown',
    attempt: row.attempts,
    detail: row.detail ?? '',
    at: row.created_at ?? row.last_attempted ?? new Date(0),
    accepted: options.accepted
      ? {
          by: row.accepted_by ?? 'unknown',
          at: row.accepted_at ?? new Date(0),
          reason: row.reason ?? '',
        }
      : null,
  }));
}
