import { PERMANENT_CODES } from '../process/failures.js';
import { reached } from '../steps.js';
import type { Database, Parameter, Statements } from './database.js';
import {
  failedBatches,
  failedBatchesToLock,
  isAccepted,
  moveFailed,
  type Condition,
  type FailedRow,
} from './failed-batches.js';
import { onlyJobs, type JobSet } from './scope.js';

export interface RequeueScope {
  /** All jobs, unless said. */
  readonly jobs?: JobSet;
  /** Only messages that failed with this code; permanent codes then too. */
  readonly errorCode?: string | undefined;
  /** Only the message of this id, whatever it failed with and however often. */
  readonly messageId?: string | undefined;
  /** Also without attempts left and permanent; such messages start over with all their attempts. */
  readonly force: boolean;
  readonly maxAttempts: number;
}

export interface Requeued {
  /** Messages put back. */
  readonly requeued: number;
  /** Those of them that were accepted until then. */
  readonly acceptancesEnded: number;
}

/** Failed batches looked through in one transaction. */
const BATCHES_AT_ONCE = 50;

/** `requeue`, for callers to whom only the number of messages matters. */
export async function requeueFailed(
  database: Database,
  scope: RequeueScope,
  batchSize: number,
  stop?: AbortSignal,
): Promise<number> {
  return (await requeue(database, scope, batchSize, stop)).requeued;
}

/**
 * Puts failed messages back to pending, in new batches of up to `batchSize`, both batches' counters exact.
 * Batches that lose their last message go. Accepted messages stay as they are unless the scope names a code or a message, or
 * has `force`: that ends their acceptance.
 *
 * @param stop aborted, no more are put back
 */
export async function requeue(
  database: Database,
  scope: RequeueScope,
  batchSize: number,
  stop?: AbortSignal,
): Promise<Requeued> {
  let requeued = 0;
  let acceptancesEnded = 0;
  for (const jobId of await jobsWithFailures(database, scope)) {
    let after = 0;
    while (!stop?.aborted) {
      const step = await database.transaction((on) =>
        requeueSome(on, scope, jobId, after, batchSize),
      );
      if (!step) break;
      if (step.requeued > 0) reached('failed-requeued');
      requeued += step.requeued;
      acceptancesEnded += step.acceptancesEnded;
      after = step.after;
    }
  }
  return { requeued, acceptancesEnded };
}

/** What `requeue` would put back, by code, and how much of it is accepted; and how many of the failed would stay, accepted or not. */
export async function countFailed(
  database: Database,
  scope: RequeueScope,
): Promise<{ eligible: FailedOfCode[]; left: number }> {
  const { sql, parameters } = eligible(scope);
  const batches = failedBatches(scope);
  const isEligible = `(${sql} AND (${takesAccepted(scope) ? 'TRUE' : 'FALSE'} OR NOT ${isAccepted('b')}))`;
  const rows = await database.rows<FailedOfCode & { eligible: number }>(
    `SELECT COALESCE(t.error_code, 'unknown') AS code, COUNT(*) AS messages,
            CAST(COALESCE(SUM(${isEligible}), 0) AS UNSIGNED) AS eligible,
            CAST(COALESCE(SUM(${isEligible} AND ${isAccepted('b')}), 0) AS UNSIGNED) AS accepted
     FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed'
     WHERE ${batches.sql}
     GROUP BY t.error_code ORDER BY messages DESC, code`,
    [...parameters, ...parameters, ...batches.parameters],
  );
  return {
    eligible: rows
      .filter((row) => row.eligible > 0)
      .map((row) => ({ code: row.code, messages: row.eligible, accepted: row.accepted })),
    left: rows.reduce((sum, row) => sum + row.messages - row.eligible, 0),
  };
}

/** Failed messages of one code. */
export interface FailedOfCode {
  readonly code: string;
  readonly messages: number;
  /** Those of them that are accepted. */
  readonly accepted: number;
}

/** Jobs of which `requeue` would put messages back. */
export async function jobsToRequeue(database: Database, scope: RequeueScope): Promise<number[]> {
  const { sql, parameters } = eligible(scope);
  const batches = failedBatches(scope);
  const rows = await database.rows<{ job_id: number }>(
    `SELECT DISTINCT b.job_id FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed'
     WHERE ${batches.sql} AND ${sql} AND (${takesAccepted(scope) ? 'TRUE' : 'FALSE'} OR NOT ${isAccepted('b')})
     ORDER BY b.job_id`,
    [...batches.parameters, ...parameters],
  );
  return rows.map(({ job_id }) => job_id);
}

async function jobsWithFailures(database: Database, scope: RequeueScope): Promise<number[]> {
  const batches = failedBatches(scope);
  const rows = await database.rows<{ job_id: number }>(
    `SELECT DISTINCT b.job_id FROM batch_progress b WHERE ${batches.sql} ORDER BY b.job_id`,
    batches.parameters,
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
): Promise<(Requeued & { after: number }) | undefined> {
  const among = await failedBatchesToLock(on, { ...scope, jobs: onlyJobs([jobId]) });
  const batches = await on.rows<{ batch_id: number; accepted: number }>(
    `SELECT b.batch_id, ${isAccepted('b')} AS accepted FROM batch_progress b ${among.index} WHERE ${among.sql}
       AND b.batch_id > ? AND (${takesAccepted(scope) ? 'TRUE' : 'FALSE'} OR NOT ${isAccepted('b')})
     ORDER BY b.batch_id LIMIT ? FOR UPDATE`,
    [...among.parameters, after, BATCHES_AT_ONCE],
  );
  const last = batches.at(-1);
  if (!last) return undefined;
  const { sql, parameters } = eligible(scope);
  const messages = await on.rows<FailedRow>(
    `SELECT t.batch_id, t.message_id, t.index_id FROM message_tracking t
     WHERE t.batch_id IN (?) AND t.status = 'failed' AND ${sql} LIMIT ?`,
    [batches.map(({ batch_id }) => batch_id), ...parameters, batchSize],
  );
  if (messages.length === 0) return { requeued: 0, acceptancesEnded: 0, after: last.batch_id };
  const { insertId } = await on.change(
    'INSERT INTO batch_progress (job_id, total_messages) VALUES (?, ?)',
    [jobId, messages.length],
  );
  await moveFailed(on, messages, insertId, {
    sql: `, status = 'pending', attempts = IF(?, 0, attempts)`,
    parameters: [scope.force],
  });
  reached('failed-moved');
  const accepted = new Set(
    batches.filter((batch) => batch.accepted === 1).map(({ batch_id }) => batch_id),
  );
  return {
    requeued: messages.length,
    acceptancesEnded: messages.filter(({ batch_id }) => accepted.has(batch_id)).length,
    // A full new batch may have left some behind: the same batches are looked through again.
    after: messages.length < batchSize ? last.batch_id : after,
  };
}

/** Whether accepted messages are put back, too: by name only. */
function takesAccepted({ errorCode, messageId, force }: RequeueScope): boolean {
  return errorCode !== undefined || messageId !== undefined || force;
}

/** The condition on message_tracking `t` under which a failed message goes back. */
function eligible(scope: RequeueScope): Condition {
  const { errorCode, force, maxAttempts, messageId } = scope;
  const conditions: string[] = ['1 = 1'];
  const parameters: Parameter[] = [];
  if (messageId !== undefined) {
    conditions.push('t.message_id = ?');
    parameters.push(Buffer.from(messageId, 'utf8'));
  }
  if (errorCode !== undefined) {
    conditions.push('t.error_code = ?');
    parameters.push(errorCode);
  } else if (!force && messageId === undefined) {
    conditions.push("COALESCE(t.error_code, '') NOT IN (?)");
    parameters.push([...PERMANENT_CODES]);
  }
  if (!force && messageId === undefined) {
    conditions.push('t.attempts < ?');
    parameters.push(maxAttempts);
  }
  return { sql: `(${conditions.join(' AND ')})`, parameters };
}
