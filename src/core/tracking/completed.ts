import type { Database } from './database.js';
import { inScope, type JobSet } from './scope.js';

/** A batch that was processed: completed, or failed with messages that were completed beside those that weren't. */
export interface CompletedBatch {
  readonly batchId: number;
  readonly jobId: number;
  /** How often it was claimed so far. */
  readonly claims: number;
  /** Completed messages, by its counter. */
  readonly processed: number;
  /** SHA-256 of its object in layout `batch`. */
  readonly objectSha256: Buffer | undefined;
  /** SHA-256 of the index of that object's members. */
  readonly indexSha256: Buffer | undefined;
  /** The joins its messages were completed with; undefined where that is not known. */
  readonly joinsHash: Buffer | undefined;
}

/** A completed message and what was recorded of its object. */
export interface CompletedMessage {
  /** The Elasticsearch `_id`, UTF-8. */
  readonly id: Buffer;
  readonly indexId: number;
  readonly index: string;
  readonly attempts: number;
  readonly url: string | undefined;
  /** Of the message's own object in layout `message`, as the two following. */
  readonly bytes: number | undefined;
  readonly sha256: Buffer | undefined;
  readonly revision: number | undefined;
}

const COMPLETED = `status IN ('completed', 'failed') AND processed > 0`;

/** The next completed batches behind `after`, in the order of their numbers. */
export async function completedBatches(
  database: Database,
  scope: JobSet,
  { after, limit }: { after: number; limit: number },
): Promise<CompletedBatch[]> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows<{
    batch_id: number;
    job_id: number;
    claims: number;
    processed: number;
    object_sha256: Buffer | null;
    index_sha256: Buffer | null;
    joins_hash: Buffer | null;
  }>(
    `SELECT batch_id, job_id, claims, processed, object_sha256, index_sha256, joins_hash FROM batch_progress
     WHERE batch_id > ? AND ${jobs.sql} AND ${COMPLETED} ORDER BY batch_id LIMIT ?`,
    [after, ...jobs.parameters, limit],
  );
  return rows.map((row) => ({
    batchId: row.batch_id,
    jobId: row.job_id,
    claims: row.claims,
    processed: row.processed,
    objectSha256: row.object_sha256 ?? undefined,
    indexSha256: row.index_sha256 ?? undefined,
    joinsHash: row.joins_hash ?? undefined,
  }));
}

/** The completed messages of a batch: 10,000 at most. */
export async function completedMessages(
  database: Database,
  batchId: number,
): Promise<CompletedMessage[]> {
  const rows = await database.rows<{
    message_id: Buffer;
    index_id: number;
    name: string;
    attempts: number;
    s3_path: string | null;
    object_bytes: number | null;
    object_sha256: Buffer | null;
    source_revision: number | null;
  }>(
    `SELECT t.message_id, t.index_id, i.name, t.attempts, t.s3_path, t.object_bytes, t.object_sha256, t.source_revision
     FROM message_tracking t JOIN source_indices i ON i.index_id = t.index_id
     WHERE t.batch_id = ? AND t.status = 'completed'`,
    [batchId],
  );
  return rows.map((row) => ({
    id: row.message_id,
    indexId: row.index_id,
    index: row.name,
    attempts: row.attempts,
    url: row.s3_path ?? undefined,
    bytes: row.object_bytes ?? undefined,
    sha256: row.object_sha256 ?? undefined,
    revision: row.source_revision ?? undefined,
  }));
}

/** False where the batch was claimed, put back or removed since it was read: its rows may be others now. */
export async function isUnchanged(
  database: Database,
  { batchId, claims, processed }: CompletedBatch,
): Promise<boolean> {
  const rows = await database.rows(
    `SELECT 1 FROM batch_progress WHERE batch_id = ? AND claims = ? AND processed = ? AND ${COMPLETED}`,
    [batchId, claims, processed],
  );
  return rows.length > 0;
}

/** The jobs of a scope with their half-open intervals, in the order of their dates. */
export async function jobIntervals(
  database: Database,
  scope: JobSet,
): Promise<{ jobId: number; from: Date; to: Date }[]> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows<{ job_id: number; start_date: Date; end_date: Date }>(
    `SELECT job_id, start_date, end_date FROM job_runs WHERE ${jobs.sql} ORDER BY start_date, job_id`,
    jobs.parameters,
  );
  return rows.map((row) => ({ jobId: row.job_id, from: row.start_date, to: row.end_date }));
}

/** Where a message of the batch lies that was completed last; undefined where none was. */
export async function lastPlace(database: Database): Promise<string | undefined> {
  const [row] = await database.rows<{ s3_path: string }>(
    `SELECT t.s3_path FROM message_tracking t
     JOIN (SELECT batch_id FROM batch_progress WHERE completed_at IS NOT NULL AND processed > 0
           ORDER BY completed_at DESC LIMIT 1) b ON b.batch_id = t.batch_id
     WHERE t.status = 'completed' AND t.s3_path IS NOT NULL LIMIT 1`,
  );
  return row?.s3_path;
}
