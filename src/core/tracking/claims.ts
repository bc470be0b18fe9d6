import type { LeaseOwner } from '../run.js';
import { reached } from '../steps.js';
import { POISONED } from '../process/failures.js';
import { requireAllRead } from './agreement.js';
import type { Database, Statements } from './database.js';
import { LeaseLost } from './heartbeat.js';
import { IDENTITY, newLease, toHeld, type Held, type HeldRow, type Lease } from './lease.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';
import { MOST_EXCUSED } from './tries.js';

export interface ClaimedBatch {
  readonly batchId: number;
  readonly jobId: number;
  /** Counts the claims of this batch, from 1. */
  readonly claim: number;
  readonly lease: Lease;
  /** The one index whose messages' keys leave the index out; undefined: keys name the index. */
  readonly plainKeyIndex: string | undefined;
  /** The joins its job is made with; undefined where that is not known. */
  readonly joinsHash?: Buffer | undefined;
  readonly messages: readonly ClaimedMessage[];
}

export interface ClaimedMessage {
  /** The Elasticsearch `_id`, UTF-8. */
  readonly id: Buffer;
  readonly indexId: number;
  readonly index: string;
  /** Failures so far. */
  readonly attempts: number;
}

/** What came of claiming one certain batch. */
export type NamedClaim =
  | { readonly kind: 'claimed'; readonly batch: ClaimedBatch }
  /** It was tried as often as it may be, and no try came to its end. */
  | { readonly kind: 'worn-out'; readonly tries: number }
  /** It was tried before, and no try came to its end: it is to be carried alone. */
  | { readonly kind: 'tried' }
  /** Completed, or failed: whatever is put back later is another batch. */
  | { readonly kind: 'finished' }
  /** Failed as poison. */
  | { readonly kind: 'given-up' }
  /** There is no such batch: its messages were put into others. */
  | { readonly kind: 'missing' }
  /** By somebody else, under a lease that lasts so long unless it is renewed, in seconds. */
  | { readonly kind: 'held'; readonly secondsLeft: number };

/** Which batch is to be claimed, and on which terms. */
export interface NamedBatch {
  readonly jobId: number;
  readonly batchId: number;
  /** One that was tried so often, and never came to an end, is not claimed. */
  readonly mostTries: number;
  /** The claim that is known to have ended for no fault of the batch. */
  readonly excusedClaim: number | undefined;
  /** Whether it would be carried alone. */
  readonly isAlone: boolean;
}

/** Claims the batch of that number as `claimBatch` claims any: pending, or with a lease that has run out. */
export async function claimNamedBatch(
  database: Database,
  owner: LeaseOwner | string,
  leaseSeconds: number,
  { jobId, batchId, mostTries, excusedClaim, isAlone }: NamedBatch,
): Promise<NamedClaim> {
  const lease = newLease(owner, leaseSeconds);
  return database.transaction(async (on): Promise<NamedClaim> => {
    const found = await findNamed(on, jobId, batchId);
    // Ours already where a try before this one had committed without our hearing of it.
    if (found.kind === 'held' && found.token === lease.token)
      return { kind: 'claimed', batch: await take(on, batchId, lease, true) };
    if (found.kind === 'finished' && (await isPoisoned(on, batchId))) return { kind: 'given-up' };
    if (found.kind !== 'claimable') return found;
    // A message says so, which somebody else may have written: it is believed only as often as other excuses are.
    const isExcused = found.claims === excusedClaim && found.claims < MOST_EXCUSED;
    const tries = found.tries + (found.isSuspect && !isExcused ? 1 : 0);
    if (tries >= mostTries) return { kind: 'worn-out', tries };
    if (tries > 0 && !isAlone) return { kind: 'tried' };
    return { kind: 'claimed', batch: await take(on, batchId, lease, isExcused) };
  });
}

/**
 * How a batch stands, by the database's clock; its row is then locked until the transaction ends. Where another transaction has it
 * locked, it counts as held: it is not waited for.
 */
export async function findNamed(
  on: Statements,
  jobId: number,
  batchId: number,
): Promise<
  | { kind: 'claimable'; claims: number; tries: number; isSuspect: boolean }
  | { kind: 'finished' }
  | { kind: 'missing' }
  | { kind: 'held'; secondsLeft: number; token: string | undefined }
> {
  const [row] = await on.rows<{
    status: string;
    claims: number;
    tries: number;
    suspect: number;
    token: string | null;
    seconds: number | null;
  }>(
    `SELECT status, claims, tries, suspect, lease_token AS token, TIMESTAMPDIFF(SECOND, NOW(6), lease_expires_at) AS seconds
     FROM batch_progress WHERE batch_id = ? AND job_id = ? FOR UPDATE SKIP LOCKED`,
    [batchId, jobId],
  );
  if (!row) {
    const there = await on.rows('SELECT 1 FROM batch_progress WHERE batch_id = ? AND job_id = ?', [
      batchId,
      jobId,
    ]);
    return there.length > 0
      ? { kind: 'held', secondsLeft: LOCKED_S, token: undefined }
      : { kind: 'missing' };
  }
  const { claims, tries } = row;
  const claimable = { kind: 'claimable', claims, tries, isSuspect: row.suspect === 1 } as const;
  if (row.status === 'pending') return claimable;
  if (row.status !== 'in_progress') return { kind: 'finished' };
  const secondsLeft = row.seconds ?? -1;
  // Whole seconds, cut towards zero: a lease that ran out within the last one counts as held.
  if (secondsLeft < 0 || row.token === null) return claimable;
  return { kind: 'held', secondsLeft, token: row.token };
}

/** What is locked is asked for again after so long, in seconds. */
const LOCKED_S = 10;

async function isPoisoned(on: Statements, batchId: number): Promise<boolean> {
  const rows = await on.rows(
    'SELECT 1 FROM message_tracking WHERE batch_id = ? AND error_code = ? LIMIT 1',
    [batchId, POISONED],
  );
  return rows.length > 0;
}

/**
 * Claims a batch whose row the transaction has locked.
 *
 * @param isExcused the claim before this one is no try of the batch, whatever it ended with
 */
export async function take(
  on: Statements,
  batchId: number,
  lease: Lease,
  isExcused: boolean,
): Promise<ClaimedBatch> {
  await on.change(
    `UPDATE batch_progress SET status = 'in_progress', claims = claims + 1, claimed_at = NOW(3), queued_at = NULL,
            tries = tries + IF(suspect AND NOT ?, 1, 0), suspect = TRUE,
            lease_token = ?, lease_owner = ?, lease_process = ?, lease_expires_at = NOW(6) + INTERVAL ? SECOND WHERE batch_id = ?`,
    [isExcused, lease.token, lease.owner, lease.process, lease.seconds, batchId],
  );
  await on.change(
    `UPDATE message_tracking SET status = 'in_progress', last_attempted = NOW(3)
     WHERE batch_id = ? AND status IN ('pending', 'in_progress')`,
    [batchId],
  );
  const [batch] = await on.rows<{
    job_id: number;
    claims: number;
    plain_key_index: string | null;
    joins_hash: Buffer | null;
  }>(
    `SELECT b.job_id, b.claims, j.plain_key_index, j.joins_hash FROM batch_progress b JOIN job_runs j ON j.job_id = b.job_id
     WHERE b.batch_id = ?`,
    [batchId],
  );
  if (!batch) throw new Error(`batch ${batchId} belongs to no job: job_runs lacks its row`);
  const messages = await on.rows<{
    message_id: Buffer;
    index_id: number;
    name: string;
    attempts: number;
  }>(
    `SELECT t.message_id, t.index_id, i.name, t.attempts FROM message_tracking t
     JOIN source_indices i ON i.index_id = t.index_id WHERE t.batch_id = ? AND t.status = 'in_progress'`,
    [batchId],
  );
  await requireAllRead(on, batchId, messages.length);
  reached('batch-taken');
  return {
    batchId,
    jobId: batch.job_id,
    claim: batch.claims,
    lease,
    plainKeyIndex: batch.plain_key_index ?? undefined,
    joinsHash: batch.joins_hash ?? undefined,
    messages: messages.map((row) => ({
      id: row.message_id,
      indexId: row.index_id,
      index: row.name,
      attempts: row.attempts,
    })),
  };
}

/**
 * Gives a batch back untouched: pending again, no attempt spent. Does nothing, and says so, where the lease was lost.
 *
 * @param isBlamed it may be the batch itself that could not be carried: that is a try
 */
export function releaseBatch(
  database: Database,
  batch: ClaimedBatch,
  isBlamed = false,
): Promise<boolean> {
  return database.transaction(async (on) => {
    const { affectedRows } = await on.change(
      `UPDATE batch_progress SET status = 'pending', suspect = ?, lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
       WHERE batch_id = ? AND lease_token = ? AND status = 'in_progress'`,
      [isBlamed, batch.batchId, batch.lease.token],
    );
    if (affectedRows === 0) return false;
    await on.change(
      `UPDATE message_tracking SET status = 'pending' WHERE batch_id = ? AND status = 'in_progress'`,
      [batch.batchId],
    );
    return true;
  });
}

/**
 * Makes sure, by the database's clock, that a batch is still ours: before something is done that the token cannot guard,
 * such as replacing an object.
 *
 * @throws LeaseLost
 */
export async function requireHeld(
  database: Database,
  { batchId, lease }: Pick<ClaimedBatch, 'batchId' | 'lease'>,
): Promise<void> {
  const held = await database.rows(
    `SELECT 1 FROM batch_progress WHERE batch_id = ? AND lease_token = ? AND status = 'in_progress'
       AND lease_expires_at >= NOW(6)`,
    [batchId, lease.token],
  );
  if (held.length === 0) throw new LeaseLost('the lease was lost: it has run out');
}

/** How many batches somebody holds under a live lease, and who until when, of those the one that lasts longest. */
export async function heldBatches(database: Database, scope: JobSet = ALL_JOBS): Promise<Held> {
  const jobs = inScope(scope, 'job_id');
  const rows = await database.rows<HeldRow>(
    `SELECT lease_owner, COUNT(*) AS held, MAX(lease_expires_at) AS until,
            MAX(TIMESTAMPDIFF(SECOND, NOW(6), lease_expires_at)) AS seconds_left, ${IDENTITY} AS identity FROM batch_progress
     WHERE status = 'in_progress' AND lease_expires_at >= NOW(6) AND ${jobs.sql}
     GROUP BY lease_owner ORDER BY until DESC`,
    jobs.parameters,
  );
  return toHeld(rows);
}
