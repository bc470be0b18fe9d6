import type { Database } from './database.js';
import { isAccepted } from './failed-batches.js';
import { inScope, type JobSet } from './scope.js';

/** A message that was accepted although Elasticsearch no longer had it. */
export interface AcceptedMissing {
  readonly id: Buffer;
  readonly indexId: number;
  readonly index: string;
  readonly jobId: number;
  readonly batchId: number;
  readonly by: string;
  readonly at: Date;
}

/** The next batches of accepted messages behind one, in the order of their numbers. */
export async function acceptedBatchesAfter(
  database: Database,
  scope: JobSet,
  after: number,
  limit: number,
): Promise<number[]> {
  const jobs = inScope(scope, 'b.job_id');
  const rows = await database.rows<{ batch_id: number }>(
    `SELECT b.batch_id FROM batch_progress b WHERE ${isAccepted('b')} AND ${jobs.sql} AND b.batch_id > ?
     ORDER BY b.batch_id LIMIT ?`,
    [...jobs.parameters, after, limit],
  );
  return rows.map(({ batch_id }) => batch_id);
}

/** Of these batches, the messages that were accepted as missing. */
export async function acceptedMissing(
  database: Database,
  batchIds: readonly number[],
): Promise<AcceptedMissing[]> {
  const rows = await database.rows<{
    message_id: Buffer;
    index_id: number;
    name: string;
    job_id: number;
    batch_id: number;
    accepted_by: string | null;
    accepted_at: Date | null;
  }>(
    `SELECT t.message_id, t.index_id, i.name, b.job_id, t.batch_id, a.accepted_by, a.accepted_at
     FROM batch_progress b
     JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed' AND t.error_code = 'missing'
     JOIN source_indices i ON i.index_id = t.index_id
     LEFT JOIN acceptances a ON a.acceptance_id = b.acceptance_id
     WHERE b.batch_id IN (?) AND ${isAccepted('b')}`,
    [batchIds],
  );
  return rows.map((row) => ({
    id: row.message_id,
    indexId: row.index_id,
    index: row.name,
    jobId: row.job_id,
    batchId: row.batch_id,
    by: row.accepted_by ?? 'unknown',
    at: row.accepted_at ?? new Date(0),
  }));
}
