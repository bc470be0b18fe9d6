import type { Database, Parameter, Statements } from './database.js';
import { forgetRelatedCounts } from './related-counts.js';
import { batchesByNumber, type BatchRecord } from './verify-batches.js';

export interface NamedMessage {
  readonly id: Buffer;
  readonly indexId: number;
}

/** What is to go back of one batch: some messages, or (`shared`) all that are in the batch's object. */
export interface PutBack {
  readonly messages: readonly NamedMessage[];
  readonly shared: boolean;
}

/** What became of a batch that was to be repaired. `held`: somebody works on it, or has since, and it was left alone. */
export type Repaired =
  { readonly kind: 'held' } | { readonly kind: 'done'; readonly messages: number };

const HELD: Repaired = { kind: 'held' };
const ROWS_PER_STATEMENT = 500;
const FORGET = `status = 'pending', s3_path = NULL, object_bytes = NULL, object_sha256 = NULL, object_etag = NULL,
  source_revision = NULL`;
const HAS_NO_OBJECT = '(object_bytes IS NULL OR object_sha256 IS NULL)';

/** How many messages `putBack` would put back now. */
export async function countPutBack(
  on: Statements,
  batchId: number,
  { messages, shared }: PutBack,
): Promise<number> {
  const own = await countRows(on, batchId, messages, 'TRUE');
  if (!(await takesAll(on, batchId, { messages, shared }))) return own;
  const [row] = await on.rows<{ held: number }>(
    `SELECT COUNT(*) AS held FROM message_tracking WHERE batch_id = ? AND status = 'completed' AND ${HAS_NO_OBJECT}`,
    [batchId],
  );
  return (row?.held ?? 0) + (await countRows(on, batchId, messages, `NOT ${HAS_NO_OBJECT}`));
}

/**
 * Puts completed messages of one batch back to pending, and the batch with them; attempts stay as they are. A batch's object
 * stands or falls as a whole: where one message in it is to be written again, so are all. No object is touched: until the
 * messages are written again, it may be the last copy of them.
 *
 * A batch that was completed after verification `verifyId` had begun is left alone: what was found may be of its objects as
 * they were before.
 */
export function putBack(
  database: Database,
  verifyId: number,
  batchId: number,
  what: PutBack,
): Promise<Repaired> {
  return database.transaction(async (on) => {
    if (!(await lockIdle(on, batchId)) || (await wasCompletedSince(on, verifyId, batchId)))
      return HELD;
    let messages = 0;
    const all = await takesAll(on, batchId, what);
    for (const some of parts(what.messages)) {
      const { affectedRows } = await on.change(
        `UPDATE message_tracking SET ${FORGET} WHERE batch_id = ? AND status = 'completed' AND (message_id, index_id) IN (?)`,
        [batchId, some],
      );
      messages += affectedRows;
    }
    if (all) messages += await putSharedBack(on, batchId);
    await recount(on, batchId);
    return { kind: 'done', messages };
  });
}

/**
 * Makes a batch and its rows agree: rows that cannot be proven (no place, no checksum, no reason of failure) go back to
 * pending, and its counters and its status become what its rows are. Where it has an object, and any of its messages is to be
 * written again, so are all that are in there: the next claim writes another object, and that becomes the one that counts.
 */
export function makeConsistent(database: Database, batchId: number): Promise<Repaired> {
  return database.transaction(async (on) => {
    const batch = await lockIdle(on, batchId);
    if (!batch) return HELD;
    const unproven = batch.object ? 's3_path IS NULL' : `(s3_path IS NULL OR ${HAS_NO_OBJECT})`;
    const { affectedRows } = await on.change(
      `UPDATE message_tracking SET ${FORGET}, error_code = NULL WHERE batch_id = ?
         AND ((status = 'completed' AND ${unproven}) OR (status = 'failed' AND error_code IS NULL))`,
      [batchId],
    );
    const open = await on.rows(
      `SELECT 1 FROM message_tracking WHERE batch_id = ? AND status IN ('pending', 'in_progress') LIMIT 1`,
      [batchId],
    );
    const others = batch.object && open.length > 0 ? await putSharedBack(on, batchId) : 0;
    await recount(on, batchId, affectedRows + others > 0);
    return { kind: 'done', messages: affectedRows + others };
  });
}

/** Makes a job's `extracted` what its batches hold. */
export function makeJobConsistent(database: Database, jobId: number): Promise<void> {
  return database.transaction((on) => sumUp(on, jobId));
}

/**
 * Runs `work` where nothing can need a batch's orphans any more, while nobody can take the batch: it is completed, or is no
 * more, and all other messages of its job are completed, too. Its messages may have been moved to other batches, so as long
 * as any of the job is still to be written, or failed, an orphan may be the last copy of what the source has dropped.
 * Undefined where it is not so.
 *
 * @param work safe to run twice
 */
export function whileSettled<T>(
  database: Database,
  { jobId, batchId }: { jobId: number; batchId: number },
  work: (on: Statements) => Promise<T>,
): Promise<T | undefined> {
  return database.transaction(async (on) => {
    await on.rows('SELECT 1 FROM batch_progress WHERE batch_id = ? FOR UPDATE', [batchId]);
    const [job] = await on.rows<{ open: number }>(
      `SELECT EXISTS (SELECT 1 FROM batch_progress WHERE status IN ('pending', 'in_progress', 'failed') AND job_id = ?)
         AS open FROM job_runs WHERE job_id = ?`,
      [jobId, jobId],
    );
    return job?.open === 0 ? work(on) : undefined;
  });
}

/** Whether a completed message of a batch lies at this URL, by its row. */
export async function isPointedAt(on: Statements, batchId: number, url: string): Promise<boolean> {
  const rows = await on.rows(
    `SELECT 1 FROM message_tracking WHERE batch_id = ? AND status = 'completed' AND s3_path = ? LIMIT 1`,
    [batchId, url],
  );
  return rows.length > 0;
}

/** The batch, its row locked; undefined where it is gone or somebody works on it under a lease, run out or not. */
async function lockIdle(on: Statements, batchId: number): Promise<BatchRecord | undefined> {
  await on.rows('SELECT 1 FROM batch_progress WHERE batch_id = ? FOR UPDATE', [batchId]);
  const batch = (await batchesByNumber(on, [batchId])).get(batchId);
  return batch?.status === 'in_progress' && batch.hasLease ? undefined : batch;
}

/** By the database's clock. */
async function wasCompletedSince(
  on: Statements,
  verifyId: number,
  batchId: number,
): Promise<boolean> {
  const rows = await on.rows(
    `SELECT 1 FROM batch_progress b JOIN verify_runs v ON v.verify_id = ?
     WHERE b.batch_id = ? AND b.completed_at > v.created_at`,
    [verifyId, batchId],
  );
  return rows.length > 0;
}

/**
 * Puts all completed messages of a batch back to pending, whatever is wrong with them, if nobody works on it.
 * No object is touched: until the messages are written again, it may be the last copy of them.
 */
export function putBatchBack(database: Database, batchId: number): Promise<Repaired> {
  return database.transaction(async (on) => {
    if (!(await lockIdle(on, batchId))) return HELD;
    const { affectedRows } = await on.change(
      `UPDATE message_tracking SET ${FORGET} WHERE batch_id = ? AND status = 'completed'`,
      [batchId],
    );
    await forgetObject(on, batchId);
    await recount(on, batchId);
    return { kind: 'done', messages: affectedRows };
  });
}

/** All that are completed in the batch's object, which is forgotten. */
async function putSharedBack(on: Statements, batchId: number): Promise<number> {
  const { affectedRows } = await on.change(
    `UPDATE message_tracking SET ${FORGET} WHERE batch_id = ? AND status = 'completed' AND ${HAS_NO_OBJECT}`,
    [batchId],
  );
  await forgetObject(on, batchId);
  return affectedRows;
}

async function takesAll(
  on: Statements,
  batchId: number,
  { messages, shared }: PutBack,
): Promise<boolean> {
  const batch = (await batchesByNumber(on, [batchId])).get(batchId);
  if (!batch?.object) return false;
  return shared || (await countRows(on, batchId, messages, HAS_NO_OBJECT)) > 0;
}

async function countRows(
  on: Statements,
  batchId: number,
  messages: readonly NamedMessage[],
  condition: string,
): Promise<number> {
  let count = 0;
  for (const some of parts(messages)) {
    const [row] = await on.rows<{ found: number }>(
      `SELECT COUNT(*) AS found FROM message_tracking
       WHERE batch_id = ? AND status = 'completed' AND (message_id, index_id) IN (?) AND ${condition}`,
      [batchId, some],
    );
    count += row?.found ?? 0;
  }
  return count;
}

function* parts(messages: readonly NamedMessage[]): Generator<Parameter[]> {
  for (let first = 0; first < messages.length; first += ROWS_PER_STATEMENT)
    yield messages.slice(first, first + ROWS_PER_STATEMENT).map(({ id, indexId }) => [id, indexId]);
}

function forgetObject(on: Statements, batchId: number): Promise<unknown> {
  return on.change(
    `UPDATE batch_progress SET object_bytes = NULL, object_sha256 = NULL, object_etag = NULL,
            index_bytes = NULL, index_sha256 = NULL, index_etag = NULL WHERE batch_id = ?`,
    [batchId],
  );
}

/**
 * Sets a batch's counters and status to what its rows are; one without rows goes, as when requeueing empties it. The token
 * goes with pending messages: on a completed batch it would say that a COMMIT went through. So do the joins where no message is
 * completed any more: an earlier version, which does not know them, may complete the batch next.
 */
async function recount(on: Statements, batchId: number, hasLost = true): Promise<void> {
  if (hasLost) await forgetRelatedCounts(on, batchId);
  await on.change(
    `UPDATE message_tracking SET status = 'pending' WHERE batch_id = ? AND status = 'in_progress'`,
    [batchId],
  );
  const [sums] = await on.rows<{
    total: number;
    pending: number;
    completed: number;
    failed: number;
  }>(
    `SELECT COUNT(*) AS total, CAST(COALESCE(SUM(status = 'pending'), 0) AS UNSIGNED) AS pending,
            CAST(COALESCE(SUM(status = 'completed'), 0) AS UNSIGNED) AS completed,
            CAST(COALESCE(SUM(status = 'failed'), 0) AS UNSIGNED) AS failed
     FROM message_tracking WHERE batch_id = ?`,
    [batchId],
  );
  if (!sums || sums.total === 0) {
    await on.change('DELETE FROM batch_progress WHERE batch_id = ?', [batchId]);
    return;
  }
  const { total, pending, completed, failed } = sums;
  const ended = failed > 0 ? 'failed' : 'completed';
  await on.change(
    `UPDATE batch_progress SET total_messages = ?, processed = ?, failed = ?, status = ?,
            joins_hash = IF(? = 0, NULL, joins_hash),
            lease_token = IF(? > 0, NULL, lease_token), lease_owner = IF(? > 0, NULL, lease_owner), lease_expires_at = NULL
     WHERE batch_id = ?`,
    [
      total,
      completed,
      failed,
      pending > 0 ? 'pending' : ended,
      completed,
      pending,
      pending,
      batchId,
    ],
  );
}

async function sumUp(on: Statements, jobId: number): Promise<void> {
  // An extraction adds to it under this lock.
  await on.rows('SELECT 1 FROM job_runs WHERE job_id = ? FOR UPDATE', [jobId]);
  await on.change(
    `UPDATE job_runs SET updated_at = updated_at, extracted =
       (SELECT COALESCE(SUM(total_messages), 0) FROM batch_progress WHERE job_id = ?) WHERE job_id = ?`,
    [jobId, jobId],
  );
}
