import { groupBy } from '../group-by.js';
import { PERMANENT_CODES } from '../process/failures.js';
import { reached } from '../steps.js';
import type { Database, Statements } from './database.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';

export interface RequeueScope {
  /** All jobs, unless said. */
  readonly jobs?: JobSet;
  /** Only messages that failed with this code; permanent codes then too. */
  readonly errorCode?: string | undefined;
  /** Also without attempts left and permanent; such messages start over with all their attempts. */
  readonly force: boolean;
  readonly maxAttempts: number;
}

/** Failed batches looked through in one transaction. */
const BATCHES_AT_ONCE = 50;

/**
 * Puts failed messages back to pending, in new batches of up to `batchSize`, both batches' counters exact.
 * Batches that lose their last message go.
 *
 * @param stop aborted, no more are put back
 * @returns how many messages were put back
 */
export async function requeueFailed(
  database: Database,
  scope: RequeueScope,
  batchSize: number,
  stop?: AbortSignal,
): Promise<number> {
  let requeued = 0;
  for (const jobId of await jobsWithFailures(database, scope)) {
    let after = 0;
    while (!stop?.aborted) {
      const step = await database.transaction((on) =>
        requeueSome(on, scope, jobId, after, batchSize),
      );
      if (!step) break;
      if (step.requeued > 0) reached('failed-requeued');
      requeued += step.requeued;
      after = step.after;
    }
  }
  return requeued;
}

/** What `requeueFailed` would put back, by code, and what would stay. */
export async function countFailed(
  database: Database,
  scope: RequeueScope,
): Promise<{ eligible: { code: string; messages: number }[]; left: number }> {
  const { sql, parameters } = eligible(scope);
  const jobs = inScope(scope.jobs ?? ALL_JOBS, 'b.job_id');
  const rows = await database.rows<{ code: string; messages: number; eligible: number }>(
    `SELECT COALESCE(t.error_code, 'unknown') AS code, COUNT(*) AS messages,
            CAST(COALESCE(SUM(${sql}), 0) AS UNSIGNED) AS eligible
     FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed'
     WHERE b.status = 'failed' AND ${jobs.sql}
     GROUP BY t.error_code ORDER BY messages DESC, code`,
    [...parameters, ...jobs.parameters],
  );
  return {
    eligible: rows
      .filter((row) => row.eligible > 0)
      .map((row) => ({ code: row.code, messages: row.eligible })),
    left: rows.reduce((sum, row) => sum + row.messages - row.eligible, 0),
  };
}

async function jobsWithFailures(database: Database, scope: RequeueScope): Promise<number[]> {
  const jobs = inScope(scope.jobs ?? ALL_JOBS, 'job_id');
  const rows = await database.rows<{ job_id: number }>(
    `SELECT DISTINCT job_id FROM batch_progress WHERE status = 'failed' AND ${jobs.sql} ORDER BY job_id`,
    jobs.parameters,
  );
  return rows.map(({ job_id }) => job_id);
}

/**
 * One new batch out of the next failed batches behind `after`. Undefined where there are none. It waits for batches that
 * another requeue looks through: that one may be after other messages of them.
 */
async function requeueSome(
  on: Statements,
  scope: RequeueScope,
  jobId: number,
  after: number,
  batchSize: number,
): Promise<{ requeued: number; after: number } | undefined> {
  const batches = await on.rows<{ batch_id: number }>(
    `SELECT batch_id FROM batch_progress WHERE status = 'failed' AND job_id = ? AND batch_id > ?
     ORDER BY batch_id LIMIT ? FOR UPDATE`,
    [jobId, after, BATCHES_AT_ONCE],
  );
  const last = batches.at(-1);
  if (!last) return undefined;
  const { sql, parameters } = eligible(scope);
  const messages = await on.rows<{ batch_id: number; message_id: Buffer; index_id: number }>(
    `SELECT t.batch_id, t.message_id, t.index_id FROM message_tracking t
     WHERE t.batch_id IN (?) AND t.status = 'failed' AND ${sql} LIMIT ?`,
    [batches.map(({ batch_id }) => batch_id), ...parameters, batchSize],
  );
  if (messages.length === 0) return { requeued: 0, after: last.batch_id };
  await moveToNewBatch(on, scope, jobId, messages);
  reached('failed-moved');
  // A full new batch may have left some behind: the same batches are looked through again.
  return { requeued: messages.length, after: messages.length < batchSize ? last.batch_id : after };
}

async function moveToNewBatch(
  on: Statements,
  scope: RequeueScope,
  jobId: number,
  messages: readonly { batch_id: number; message_id: Buffer; index_id: number }[],
): Promise<void> {
  const { insertId } = await on.change(
    'INSERT INTO batch_progress (job_id, total_messages) VALUES (?, ?)',
    [jobId, messages.length],
  );
  const from = groupBy(messages, ({ batch_id }) => batch_id);
  for (const [batchId, moved] of from) {
    await on.change(
      `UPDATE message_tracking SET batch_id = ?, status = 'pending', attempts = IF(?, 0, attempts)
       WHERE batch_id = ? AND (message_id, index_id) IN (?)`,
      [
        insertId,
        scope.force,
        batchId,
        moved.map(({ message_id, index_id }) => [message_id, index_id]),
      ],
    );
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

/** The condition on message_tracking `t` under which a failed message goes back. */
function eligible(scope: RequeueScope): {
  sql: string;
  parameters: (string | number | readonly string[])[];
} {
  const { errorCode, force, maxAttempts } = scope;
  const conditions: string[] = ['1 = 1'];
  const parameters: (string | number | readonly string[])[] = [];
  if (errorCode !== undefined) {
    conditions.push('t.error_code = ?');
    parameters.push(errorCode);
  } else if (!force) {
    conditions.push("COALESCE(t.error_code, '') NOT IN (?)");
    parameters.push([...PERMANENT_CODES]);
  }
  if (!force) {
    conditions.push('t.attempts < ?');
    parameters.push(maxAttempts);
  }
  return { sql: `(${conditions.join(' AND ')})`, parameters };
}
