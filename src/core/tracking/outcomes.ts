import type { Joins } from '../joins.js';
import { scrub } from '../secrets/known.js';
import { reached } from '../steps.js';
import { requireNoneLeft } from './agreement.js';
import type { ClaimedBatch, ClaimedMessage } from './claims.js';
import type { Database, Statements } from './database.js';
import { isOfOtherJoins, otherJoins } from './joins.js';
import { inPackets } from './packets.js';
import { addRelatedCounts } from './related-counts.js';

/** What became of one claimed message. */
export type MessageOutcome = CompletedMessage | FailedMessage;

export interface CompletedMessage {
  readonly kind: 'completed';
  readonly message: ClaimedMessage;
  /** URL of the object that holds it. */
  readonly url: string;
  /** The message's own object; undefined where a batch's object holds it. */
  readonly object?: WrittenObject & { readonly revision: number | undefined };
  /** How many records it has of each related index, in the order of the configuration; undefined where they were not counted. */
  readonly counts?: readonly RecordCount[] | undefined;
}

/** How many records of one related index a message has; `no value`: it lacks a field of the join, and so has none. */
export type RecordCount = number | 'no value';

export interface FailedMessage {
  readonly kind: 'failed';
  readonly message: ClaimedMessage;
  readonly stage: 'fetch' | 'assemble' | 'upload';
  readonly code: string;
  readonly detail: string;
}

/** An object as it was when it was written: what a later check compares it with. */
export interface WrittenObject {
  readonly bytes: number;
  readonly sha256: Uint8Array;
  readonly etag: string | undefined;
}

/** The object that holds a whole batch, and the index of its members. */
export interface BatchObject extends WrittenObject {
  readonly index: WrittenObject;
}

/** Rows written by one statement. */
const ROWS_PER_STATEMENT = 1000;

/**
 * Completes a batch under its lease token (invariant 4): its row, its messages and its errors in one
 * transaction. False where the lease was lost: nothing is changed then.
 *
 * @param joins the messages' records were found by; undefined where that is not known
 * @throws MigrateError `usage` where the job is one of other joins by now
 */
export function completeBatch(
  database: Database,
  batch: ClaimedBatch,
  outcomes: readonly MessageOutcome[],
  object?: BatchObject,
  joins?: Pick<Joins, 'hash' | 'names'>,
): Promise<boolean> {
  const completed = outcomes.filter((outcome) => outcome.kind === 'completed');
  const failed = outcomes.filter((outcome) => outcome.kind === 'failed');
  return database.transaction(async (on) => {
    // Without a lock: a change of the job's joins counts this batch as held until it is committed.
    if (joins && (await isOfOtherJoins(on, batch.jobId, joins.hash)))
      throw otherJoins([batch.jobId]);
    const { affectedRows } = await on.change(
      // The first assignment, since those behind it see what it has changed: what was completed before, with others, makes both unknown.
      `UPDATE batch_progress SET joins_hash = IF(processed = 0 OR joins_hash = ?, ?, NULL),
              status = IF(failed + ? = 0, 'completed', 'failed'), processed = processed + ?,
              failed = failed + ?, tries = 0, suspect = FALSE, completed_at = NOW(3), lease_expires_at = NULL, object_bytes = ?, object_sha256 = ?,
              object_etag = ?, index_bytes = ?, index_sha256 = ?, index_etag = ?
       WHERE batch_id = ? AND lease_token = ? AND status = 'in_progress'`,
      [
        joins?.hash ?? null,
        joins?.hash ?? null,
        failed.length,
        completed.length,
        failed.length,
        ...columnsOf(object),
        ...columnsOf(object?.index),
        batch.batchId,
        batch.lease.token,
      ],
    );
    if (affectedRows === 0) return completedBefore(on, batch);
    reached('counters-moved');
    const failures = await markFailed(on, batch, failed);
    const shared = completed[0];
    const marked =
      shared && !shared.object
        ? await markCompletedTogether(on, batch, shared.url)
        : await markCompleted(on, batch, completed);
    // Anything else would leave the counters and the rows apart for ever.
    const exact =
      outcomes.length === batch.messages.length &&
      failures === failed.length &&
      marked === completed.length;
    if (!exact) {
      throw new Error(
        `batch ${batch.batchId}: of ${batch.messages.length} messages claimed, ${completed.length} are said to be ` +
          `completed and ${failed.length} failed, but the rows in progress were ${marked} and ${failures}`,
      );
    }
    await requireNoneLeft(on, batch.batchId);
    await addRelatedCounts(on, batch, joins?.names ?? [], completed);
    reached('rows-completed');
    return true;
  });
}

function columnsOf(object: WrittenObject | undefined): (number | Buffer | string | null)[] {
  if (!object) return [null, null, null];
  return [object.bytes, Buffer.from(object.sha256), object.etag ?? null];
}

/** The token stays on a completed batch, so that a COMMIT that went through unheard is recognised. */
async function completedBefore(on: Statements, { batchId, lease }: ClaimedBatch): Promise<boolean> {
  const rows = await on.rows(
    `SELECT 1 FROM batch_progress WHERE batch_id = ? AND lease_token = ? AND status IN ('completed', 'failed')`,
    [batchId, lease.token],
  );
  return rows.length > 0;
}

async function markCompletedTogether(
  on: Statements,
  { batchId }: ClaimedBatch,
  url: string,
): Promise<number> {
  const { affectedRows } = await on.change(
    `UPDATE message_tracking SET status = 'completed', s3_path = ?, error_code = NULL
     WHERE batch_id = ? AND status = 'in_progress'`,
    [url, batchId],
  );
  return affectedRows;
}

/** One UPDATE for many rows of different values: JSON_TABLE is what MySQL 8 and MariaDB 10.6 both have for it. */
async function markCompleted(
  on: Statements,
  { batchId }: ClaimedBatch,
  completed: readonly CompletedMessage[],
): Promise<number> {
  let marked = 0;
  const all = completed.map(({ message, url, object }) => ({
    id: message.id.toString('hex'),
    ix: message.indexId,
    url,
    bytes: object?.bytes,
    sha: object && Buffer.from(object.sha256).toString('hex'),
    etag: object?.etag,
    revision: object?.revision,
  }));
  for (const rows of inPackets(on.packetBytes, all, ROWS_PER_STATEMENT, JSON.stringify)) {
    const { affectedRows } = await on.change(
      `UPDATE ${OUTCOME_ROWS}
         id VARCHAR(1024) ${ASCII} PATH '$.id', ix INT UNSIGNED PATH '$.ix', url VARCHAR(2048) ${UTF8} PATH '$.url' ERROR ON ERROR,
         bytes BIGINT UNSIGNED PATH '$.bytes', sha CHAR(64) ${ASCII} PATH '$.sha', etag VARCHAR(64) ${ASCII} PATH '$.etag',
         revision INT UNSIGNED PATH '$.revision')) AS o
       STRAIGHT_JOIN message_tracking t ON t.batch_id = ? AND t.message_id = UNHEX(o.id) AND t.index_id = o.ix
       SET t.status = 'completed', t.s3_path = o.url, t.object_bytes = o.bytes, t.object_sha256 = UNHEX(o.sha),
           t.object_etag = o.etag, t.source_revision = o.revision, t.error_code = NULL
       WHERE t.status = 'in_progress'`,
      [JSON.stringify(rows), batchId],
    );
    marked += affectedRows;
  }
  return marked;
}

async function markFailed(
  on: Statements,
  batch: ClaimedBatch,
  failed: readonly FailedMessage[],
): Promise<number> {
  let marked = 0;
  const errorRow = ({ message, stage, code, detail }: FailedMessage) => [
    message.id,
    message.indexId,
    batch.jobId,
    batch.batchId,
    stage,
    code,
    message.attempts + 1,
    scrub(detail).slice(0, 1000),
  ];
  for (const part of inPackets(on.packetBytes, failed, ROWS_PER_STATEMENT, errorRow)) {
    const rows = part.map(({ message, code }) => ({
      id: message.id.toString('hex'),
      ix: message.indexId,
      code,
    }));
    const { affectedRows } = await on.change(
      `UPDATE ${OUTCOME_ROWS}
         id VARCHAR(1024) ${ASCII} PATH '$.id', ix INT UNSIGNED PATH '$.ix', code VARCHAR(64) ${ASCII} PATH '$.code')) AS o
       STRAIGHT_JOIN message_tracking t ON t.batch_id = ? AND t.message_id = UNHEX(o.id) AND t.index_id = o.ix
       SET t.status = 'failed', t.attempts = t.attempts + 1, t.error_code = o.code
       WHERE t.status = 'in_progress'`,
      [JSON.stringify(rows), batch.batchId],
    );
    await on.change(
      `INSERT INTO message_errors (message_id, index_id, job_id, batch_id, stage, code, attempt, detail) VALUES ?`,
      [part.map(errorRow)],
    );
    marked += affectedRows;
  }
  return marked;
}

/** STRAIGHT_JOIN behind it: the few outcomes lead, each row is found by primary key. */
const OUTCOME_ROWS = "JSON_TABLE(?, '$[*]' COLUMNS (";
/** Said of each column: MariaDB would take the database's own character set, and lose what that one has not. */
const ASCII = 'CHARACTER SET ascii COLLATE ascii_bin';
const UTF8 = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
