import { groupBy } from '../group-by.js';
import type { Parameter, Statements } from './database.js';
import { inPackets } from './packets.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';

/** Messages named by one statement. */
const NAMES_PER_STATEMENT = 1000;

/** A part of a WHERE clause, and what stands for its question marks. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/**
 * Whether a batch holds accepted messages, and nothing else. Nobody claims such a batch; one that was claimed or given up as a
 * whole all the same (rows were damaged, and repaired) holds other failures than those that were accepted.
 *
 * @param alias of batch_progress in the statement
 */
export function isAccepted(alias: string): string {
  return `(${alias}.status = 'failed' AND ${alias}.acceptance_id IS NOT NULL AND ${alias}.claims = 0 AND ${alias}.completed_at IS NULL)`;
}

/** The condition on batches `b` that have failed: of some jobs, or of all; with a message of this id. */
export function failedBatches({
  jobs = ALL_JOBS,
  messageId,
}: {
  jobs?: JobSet | undefined;
  messageId?: string | undefined;
}): Condition {
  const of = inScope(jobs, 'b.job_id');
  const conditions = ["b.status = 'failed'", of.sql];
  const parameters: Parameter[] = [...of.parameters];
  if (messageId !== undefined) {
    conditions.push(
      'b.batch_id IN (SELECT m.batch_id FROM message_tracking m WHERE m.message_id = ?)',
    );
    parameters.push(Buffer.from(messageId, 'utf8'));
  }
  return { sql: conditions.join(' AND '), parameters };
}

/**
 * The same, for a SELECT … FOR UPDATE: with a message's id it reads, and so locks, the batches of that message and no others.
 *
 * @returns beside the condition, which index is to be read behind the table's name
 */
export async function failedBatchesToLock(
  on: Statements,
  { jobs, messageId }: { jobs?: JobSet | undefined; messageId?: string | undefined },
): Promise<Condition & { readonly index: string }> {
  const { sql, parameters } = failedBatches({ jobs });
  if (messageId === undefined) return { sql, parameters, index: '' };
  const rows = await on.rows<{ batch_id: number }>(
    'SELECT DISTINCT batch_id FROM message_tracking FORCE INDEX (message) WHERE message_id = ?',
    [Buffer.from(messageId, 'utf8')],
  );
  // There is no batch 0, and an empty list is no SQL.
  const batches = [0, ...rows.map(({ batch_id }) => batch_id)];
  return {
    sql: `${sql} AND b.batch_id IN (?)`,
    parameters: [...parameters, batches],
    index: 'FORCE INDEX (PRIMARY)',
  };
}

/** Where a failed message's row lies. */
export interface FailedRow {
  readonly batch_id: number;
  readonly message_id: Buffer;
  readonly index_id: number;
}

/** What else a move sets in message_tracking, as `, column = ?`. */
export interface AlsoSet {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
}

/**
 * Moves failed messages into another batch of their job and takes them out of the counters of the batches they were in, whose
 * rows the caller has locked. Batches that lose their last message are deleted.
 */
export async function moveFailed(
  on: Statements,
  messages: readonly FailedRow[],
  to: number,
  also: AlsoSet = { sql: '', parameters: [] },
): Promise<void> {
  const from = groupBy(messages, ({ batch_id }) => batch_id);
  for (const [batchId, moved] of from) {
    const names = moved.map(({ message_id, index_id }) => [message_id, index_id]);
    let found = 0;
    for (const part of inPackets(on.packetBytes, names, NAMES_PER_STATEMENT, (name) => name)) {
      const { affectedRows } = await on.change(
        `UPDATE message_tracking SET batch_id = ?${also.sql}
         WHERE batch_id = ? AND (message_id, index_id) IN (?)`,
        [to, ...also.parameters, batchId, part],
      );
      found += affectedRows;
    }
    // Anything else would leave the counters and the rows apart.
    if (found !== moved.length)
      throw new Error(`batch ${batchId}: ${found} of ${moved.length} messages could be moved`);
    await on.change(
      `UPDATE batch_progress SET total_messages = total_messages - ?, failed = failed - ?,
              status = IF(failed = 0, 'completed', 'failed') WHERE batch_id = ?`,
      [moved.length, moved.length, batchId],
    );
  }
  await on.change('DELETE FROM batch_progress WHERE batch_id IN (?) AND total_messages = 0', [
    [...from.keys()],
  ]);
}
