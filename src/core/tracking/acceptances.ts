import { usage } from '../errors.js';
import { reached } from '../steps.js';
import type { Database, Statements } from './database.js';
import {
  failedBatches,
  failedBatchesToLock,
  isAccepted,
  moveFailed,
  type Condition,
  type FailedRow,
} from './failed-batches.js';
import { ALL_JOBS, onlyJobs, type JobSet } from './scope.js';

/** Which failed messages are meant: all conditions hold; without any, all of them. */
export interface AcceptScope {
  readonly jobId?: number | undefined;
  /** Those that failed with this code. */
  readonly errorCode?: string | undefined;
  /** Those of this id, in whatever index. */
  readonly messageId?: string | undefined;
}

/** Who settles a failure, and why. */
export interface Settlement {
  /** One line, 1 to 1,000 characters. */
  readonly reason: string;
  /** User and host. */
  readonly by: string;
}

/** Failed messages by code. */
export interface CodeCount {
  readonly code: string;
  readonly messages: number;
}

/** Failed batches looked through in one transaction. */
const BATCHES_AT_ONCE = 50;

/** Failed messages of a scope by code, most frequent first: those still to be accepted, and those that are. */
export async function countAcceptable(
  database: Database,
  scope: AcceptScope,
): Promise<{ open: CodeCount[]; accepted: CodeCount[] }> {
  const batches = failedBatches({ ...scope, jobs: jobsOf(scope) });
  const { sql, parameters } = acceptable(scope);
  const rows = await database.rows<{ code: string; accepted: number; messages: number }>(
    `SELECT t.error_code AS code, ${isAccepted('b')} AS accepted, COUNT(*) AS messages
     FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id
     WHERE ${batches.sql} AND ${sql}
     GROUP BY t.error_code, accepted ORDER BY messages DESC, code`,
    [...batches.parameters, ...parameters],
  );
  const counts = (accepted: number) =>
    rows
      .filter((row) => row.accepted === accepted)
      .map(({ code, messages }) => ({ code, messages }));
  return { open: counts(0), accepted: counts(1) };
}

/** A new acceptance. In the transaction that accepts the first by it: one that settles nothing would stand there for ever. */
export async function beginAcceptance(
  on: Statements,
  { reason, by }: Settlement,
): Promise<{ acceptanceId: number }> {
  const { insertId } = await on.change(
    'INSERT INTO acceptances (reason, accepted_by) VALUES (?, ?)',
    [reason, by.slice(0, 255)],
  );
  return { acceptanceId: insertId };
}

/**
 * Accepts the failed messages of a scope as they are now, in batches of up to `batchSize` of their own: they stay failed, and
 * both batches' counters are exact. What another process accepts or puts back at the same time is passed over.
 *
 * @param stop aborted, no more are accepted
 * @returns what was accepted, by code, most frequent first
 */
export async function acceptFailed(
  database: Database,
  scope: AcceptScope,
  settlement: Settlement,
  batchSize: number,
  stop?: AbortSignal,
): Promise<CodeCount[]> {
  const batches = failedBatches({ ...scope, jobs: jobsOf(scope) });
  const jobs = await database.rows<{ job_id: number }>(
    `SELECT DISTINCT b.job_id FROM batch_progress b WHERE ${batches.sql} AND NOT ${isAccepted('b')} ORDER BY b.job_id`,
    batches.parameters,
  );
  // More than one only where a COMMIT failed, or went through unheard.
  const acceptance = new Acceptance(settlement);
  for (const { job_id } of jobs) {
    let after = 0;
    while (!stop?.aborted) {
      const step = await database.transaction((on) =>
        acceptSome(on, { ...scope, jobId: job_id }, { acceptance, after, batchSize }),
      );
      if (!step) break;
      after = step.after;
    }
  }
  // From the rows, since a step whose COMMIT went through unheard ran twice and found nothing the second time.
  const acceptanceId = await acceptance.find(database);
  return acceptanceId === undefined ? [] : acceptedBy(database, acceptanceId);
}

/** One acceptance, which is there once something is accepted by it. */
class Acceptance {
  readonly #settlement: Settlement;
  readonly #begun: number[] = [];

  constructor(settlement: Settlement) {
    this.#settlement = settlement;
  }

  /** Its number; undefined where it is not there: nothing was begun, or what began it was rolled back. */
  async find(on: Statements): Promise<number | undefined> {
    if (this.#begun.length === 0) return undefined;
    const [row] = await on.rows<{ acceptance_id: number }>(
      'SELECT acceptance_id FROM acceptances WHERE acceptance_id IN (?)',
      [this.#begun],
    );
    return row?.acceptance_id;
  }

  async findOrBegin(on: Statements): Promise<number> {
    const found = await this.find(on);
    if (found !== undefined) return found;
    const { acceptanceId } = await beginAcceptance(on, this.#settlement);
    this.#begun.push(acceptanceId);
    return acceptanceId;
  }
}

async function acceptedBy(database: Database, acceptanceId: number): Promise<CodeCount[]> {
  return database.rows<CodeCount>(
    `SELECT code, COUNT(*) AS messages FROM accepted_failures WHERE acceptance_id = ?
     GROUP BY code ORDER BY messages DESC, code`,
    [acceptanceId],
  );
}

/** One batch of accepted messages out of the next failed batches behind `after`. Undefined where there are none. */
async function acceptSome(
  on: Statements,
  scope: AcceptScope & { readonly jobId: number },
  { acceptance, after, batchSize }: { acceptance: Acceptance; after: number; batchSize: number },
): Promise<{ after: number } | undefined> {
  const among = await failedBatchesToLock(on, { ...scope, jobs: jobsOf(scope) });
  // It waits for batches that others put messages back from: what is still failed then is accepted.
  const batches = await on.rows<{ batch_id: number }>(
    `SELECT b.batch_id FROM batch_progress b ${among.index} WHERE ${among.sql} AND NOT ${isAccepted('b')} AND b.batch_id > ?
     ORDER BY b.batch_id LIMIT ? FOR UPDATE`,
    [...among.parameters, after, BATCHES_AT_ONCE],
  );
  const last = batches.at(-1);
  if (!last) return undefined;
  const { sql, parameters } = acceptable(scope);
  const messages = await on.rows<FailedRow>(
    `SELECT t.batch_id, t.message_id, t.index_id FROM message_tracking t
     WHERE t.batch_id IN (?) AND ${sql} LIMIT ?`,
    [batches.map(({ batch_id }) => batch_id), ...parameters, batchSize],
  );
  if (messages.length === 0) return { after: last.batch_id };
  const acceptanceId = await acceptance.findOrBegin(on);
  const { insertId } = await on.change(
    `INSERT INTO batch_progress (job_id, status, total_messages, failed, acceptance_id) VALUES (?, 'failed', ?, ?, ?)`,
    [scope.jobId, messages.length, messages.length, acceptanceId],
  );
  await moveFailed(on, messages, insertId);
  await on.change(
    `INSERT INTO accepted_failures (acceptance_id, message_id, index_id, job_id, attempt, code)
     SELECT ?, message_id, index_id, ?, attempts, error_code FROM message_tracking WHERE batch_id = ?`,
    [acceptanceId, scope.jobId, insertId],
  );
  reached('failed-moved');
  // A full batch may have left some behind: the same batches are looked through again.
  return { after: messages.length < batchSize ? last.batch_id : after };
}

function jobsOf({ jobId }: AcceptScope): JobSet {
  return jobId === undefined ? ALL_JOBS : onlyJobs([jobId]);
}

/**
 * The condition on message_tracking `t`. A failed row without a code is none: it contradicts itself, and `verify --repair` puts
 * it right.
 */
function acceptable({ errorCode, messageId }: AcceptScope): Condition {
  const conditions = ["t.status = 'failed'", 't.error_code IS NOT NULL'];
  const parameters: (string | Buffer)[] = [];
  if (errorCode !== undefined) {
    conditions.push('t.error_code = ?');
    parameters.push(errorCode);
  }
  if (messageId !== undefined) {
    conditions.push('t.message_id = ?');
    parameters.push(Buffer.from(messageId, 'utf8'));
  }
  return { sql: `(${conditions.join(' AND ')})`, parameters };
}

/**
 * Makes sure that the message of this id has failed, in any index, of the job and with the code that are named.
 *
 * @throws MigrateError `usage` that says how the message stands
 */
export async function requireFailed(
  database: Database,
  { jobId, errorCode, messageId }: AcceptScope & { readonly messageId: string },
): Promise<void> {
  const all = await database.rows<{
    status: string;
    code: string | null;
    job_id: number;
    batch_id: number;
    batch_status: string;
  }>(
    `SELECT t.status, t.error_code AS code, b.job_id, b.batch_id, b.status AS batch_status FROM message_tracking t
     JOIN batch_progress b ON b.batch_id = t.batch_id WHERE t.message_id = ? ORDER BY b.job_id`,
    [Buffer.from(messageId, 'utf8')],
  );
  const name = `message ${quoted(messageId)}`;
  const advice = '"es-migrate errors" lists the messages that failed.';
  const [one] = all;
  if (!one) throw usage(`${name} is not tracked by any job`, advice);
  const ofJob = jobId === undefined ? all : all.filter(({ job_id }) => job_id === jobId);
  if (ofJob.length === 0)
    throw usage(`${name} is tracked by job ${one.job_id}, not by job ${jobId}`, advice);
  const failed = ofJob.filter(({ status }) => status === 'failed');
  if (failed.length === 0) {
    const status = [...new Set(ofJob.map((row) => row.status.replace('_', ' ')))].join(' and ');
    throw usage(`${name} is ${status}, not failed`, advice);
  }
  const meant = failed.filter(({ code }) => errorCode === undefined || code === errorCode);
  const [open] = meant;
  // Others of its batch were put back: it is part of that batch until this is finished.
  if (open && meant.every((row) => row.batch_status !== 'failed')) {
    const { batch_id: batchId, batch_status: stands } = open;
    throw usage(
      `${name} is failed, but its batch ${batchId} is ${stands.replace('_', ' ')}: other messages of it are to be processed`,
      'Run es-migrate process first.',
    );
  }
  if (open || errorCode === undefined) return;
  const codes = [...new Set(failed.map(({ code }) => code ?? 'no code'))].join(' and ');
  throw usage(`${name} failed with ${codes}, not with ${quoted(errorCode)}`, advice);
}

/** Text a user gave, in quotes, not longer than a line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
