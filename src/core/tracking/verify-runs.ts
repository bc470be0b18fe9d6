import { createHash } from 'node:crypto';
import type { Finding } from '../verify/types.js';
import type { Database, Statements } from './database.js';
import { LeaseLost } from './heartbeat.js';
import type { Lease } from './lease.js';
import { inScope, type JobSet } from './scope.js';
import { insertFindings } from './verify-findings.js';
import { isAcceptedWindow } from './windows.js';

/** A verification as it was last stored. */
export interface StoredVerification {
  readonly verifyId: number;
  /** JSON, as the verification wrote it; `{}` where it has not begun. */
  readonly position: string;
  /** Objects met so far, by batch_id modulo its length: four bytes each. */
  readonly met: Buffer | undefined;
}

export type BegunVerification =
  | { readonly kind: 'busy'; readonly owner: string; readonly expiresAt: Date }
  /** `because` says why an earlier one that was not finished is begun anew. */
  | { readonly kind: 'new'; readonly at: StoredVerification; readonly because: string | undefined }
  | { readonly kind: 'resumed'; readonly at: StoredVerification };

interface Row {
  verify_id: number;
  status: 'running' | 'completed';
  tracking_state: Buffer;
  position: string;
  met: Buffer | null;
  lease_token: string | null;
  lease_owner: string | null;
  lease_expires_at: Date | null;
  held: number | null;
  recent: number;
}

/** What was looked at longer ago proves nothing of today. */
const RESUMED_WITHIN_HOURS = 24;
/** Rows deleted by one statement. */
const DELETED_AT_ONCE = 10_000;

/**
 * Takes the scope's unfinished verification under a lease, as long as what is tracked of its jobs is what it was and it stopped
 * less than a day ago, or makes a new one. Safe to run again where its COMMIT went through unheard: its own token is recognised.
 *
 * @param of the jobs that are verified, and a hash of what is verified and how
 */
export function beginVerification(
  database: Database,
  of: { readonly scope: JobSet; readonly key: Buffer },
  lease: Lease,
  { restart }: { restart: boolean },
): Promise<BegunVerification> {
  const { scope, key } = of;
  return database.transaction(async (on) => {
    // One at a time: two must not both make the first one of a scope.
    await on.rows('SELECT 1 FROM tracking_database FOR UPDATE');
    const [last] = await on.rows<Row>(
      `SELECT verify_id, status, tracking_state, position, met, lease_token, lease_owner, lease_expires_at,
              lease_expires_at >= NOW(6) AS held, updated_at > NOW(3) - INTERVAL ? HOUR AS recent
       FROM verify_runs WHERE scope_key = ? ORDER BY verify_id DESC LIMIT 1 FOR UPDATE`,
      [RESUMED_WITHIN_HOURS, key],
    );
    const open = last?.status === 'running' ? last : undefined;
    const isMine = open?.lease_token === lease.token;
    if (open?.held && !isMine) return busy(open);
    const state = await trackingState(on, scope);
    const isUnchanged = open?.tracking_state.equals(state) === true;
    if (open && isUnchanged && (isMine || (!restart && open.recent === 1))) {
      await on.change(
        `UPDATE verify_runs SET lease_token = ?, lease_owner = ?, lease_process = ?,
                lease_expires_at = NOW(6) + INTERVAL ? SECOND WHERE verify_id = ?`,
        [lease.token, lease.owner, lease.process, lease.seconds, open.verify_id],
      );
      const at = { verifyId: open.verify_id, position: open.position, met: open.met ?? undefined };
      return open.position === '{}'
        ? { kind: 'new', at, because: undefined }
        : { kind: 'resumed', at };
    }
    const { insertId } = await on.change(
      `INSERT INTO verify_runs (scope_key, tracking_state, stage, position, lease_token, lease_owner, lease_process, lease_expires_at)
       VALUES (?, ?, 'begun', '{}', ?, ?, ?, NOW(6) + INTERVAL ? SECOND)`,
      [key, state, lease.token, lease.owner, lease.process, lease.seconds],
    );
    const because = open && !restart ? whyAnew(isUnchanged) : undefined;
    return { kind: 'new', at: { verifyId: insertId, position: '{}', met: undefined }, because };
  });
}

function whyAnew(isUnchanged: boolean): string {
  return isUnchanged
    ? `it stopped more than ${RESUMED_WITHIN_HOURS} hours ago`
    : 'the tracking tables have changed since it stopped';
}

/** Whether anything of these jobs was tracked, claimed or migrated since a verification began. */
export async function hasChangedSince(
  database: Database,
  verifyId: number,
  scope: JobSet,
): Promise<boolean> {
  const [begun] = await database.rows<{ tracking_state: Buffer }>(
    'SELECT tracking_state FROM verify_runs WHERE verify_id = ?',
    [verifyId],
  );
  return begun?.tracking_state.equals(await trackingState(database, scope)) !== true;
}

function busy(row: Row): BegunVerification {
  return {
    kind: 'busy',
    owner: row.lease_owner ?? 'unknown',
    expiresAt: row.lease_expires_at ?? new Date(0),
  };
}

/** Begins a verification anew, its findings and its position forgotten. */
export function forgetPosition(database: Database, verifyId: number, lease: Lease): Promise<void> {
  return underLease(database, verifyId, lease, async (on) => {
    await on.change(
      `UPDATE verify_runs SET checkpoint = 0, position = '{}', met = NULL WHERE verify_id = ?`,
      [verifyId],
    );
    await on.change('DELETE FROM verify_findings WHERE verify_id = ?', [verifyId]);
    await on.change('DELETE FROM verify_keys WHERE verify_id = ?', [verifyId]);
  });
}

/**
 * Stores where a verification stands together with what it found since, in one transaction. Without `met`, that stays.
 * @throws LeaseLost
 */
export function storeCheckpoint(
  database: Database,
  verifyId: number,
  lease: Lease,
  {
    number,
    stage,
    position,
    met,
  }: { number: number; stage: string; position: string; met: Buffer | undefined },
  findings: readonly Finding[],
): Promise<void> {
  return underLease(database, verifyId, lease, async (on) => {
    // A checkpoint whose COMMIT went through unheard is not stored twice.
    const { affectedRows } = await on.change(
      'UPDATE verify_runs SET checkpoint = ?, stage = ?, position = ?, met = COALESCE(?, met) WHERE verify_id = ? AND checkpoint < ?',
      [number, stage, position, met ?? null, verifyId, number],
    );
    if (affectedRows === 1) await insertFindings(on, verifyId, findings);
  });
}

/** Ends a verification (`completed`), or gives it back to be resumed (`running`); does nothing where the lease was lost. */
export async function endVerification(
  database: Database,
  verifyId: number,
  lease: Lease,
  status: 'running' | 'completed',
): Promise<void> {
  await database.change(
    `UPDATE verify_runs SET status = ?, lease_token = NULL, lease_owner = NULL, lease_expires_at = NULL
     WHERE verify_id = ? AND lease_token = ?`,
    [status, verifyId, lease.token],
  );
}

/**
 * Forgets what older verifications found: all that ended but the last, and those of this scope that were given up for
 * this one.
 */
export async function forgetOlder(
  database: Database,
  verifyId: number,
  scopeKey: Buffer,
): Promise<void> {
  const old = await database.rows<{ verify_id: number }>(
    `SELECT verify_id FROM verify_runs WHERE verify_id < ? AND (status = 'completed' OR scope_key = ?)`,
    [verifyId, scopeKey],
  );
  const [last] = await database.rows<{ verify_id: number | null }>(
    `SELECT MAX(verify_id) AS verify_id FROM verify_runs WHERE verify_id < ? AND status = 'completed'`,
    [verifyId],
  );
  for (const { verify_id } of old) {
    if (verify_id === last?.verify_id) continue;
    await deleteAll(database, 'verify_findings', verify_id);
    await deleteAll(database, 'verify_keys', verify_id);
    await database.change('DELETE FROM verify_runs WHERE verify_id = ?', [verify_id]);
  }
}

/** A verification's rows, some thousand at a time: one statement for millions would hold everybody up. */
export async function deleteAll(
  database: Database,
  table: 'verify_findings' | 'verify_keys',
  verifyId: number,
): Promise<void> {
  for (;;) {
    const { affectedRows } = await database.change(
      `DELETE FROM ${table} WHERE verify_id = ? LIMIT ${DELETED_AT_ONCE}`,
      [verifyId],
    );
    if (affectedRows < DELETED_AT_ONCE) return;
  }
}

async function underLease(
  database: Database,
  verifyId: number,
  lease: Lease,
  work: (on: Statements) => Promise<void>,
): Promise<void> {
  await database.transaction(async (on) => {
    const held = await on.rows(
      'SELECT 1 FROM verify_runs WHERE verify_id = ? AND lease_token = ? FOR UPDATE',
      [verifyId, lease.token],
    );
    if (held.length === 0) throw new LeaseLost('somebody else has taken this verification over');
    await work(on);
  });
}

/** Stands for the counters of these jobs, their windows and their batches: whatever a run changes of them, it changes. */
async function trackingState(on: Statements, scope: JobSet): Promise<Buffer> {
  const { sql, parameters } = inScope(scope, 'job_id');
  const state = [
    await on.rows(
      `SELECT COUNT(*), SUM(batch_id), SUM(job_id), SUM(total_messages), SUM(processed), SUM(failed), SUM(claims),
              SUM(status = 'pending'), SUM(status = 'in_progress'), MAX(completed_at) FROM batch_progress WHERE ${sql}`,
      parameters,
    ),
    await on.rows(
      `SELECT COUNT(*), SUM(job_id), SUM(extracted), SUM(status = 'completed'), MAX(next_run_date) FROM job_runs WHERE ${sql}`,
      parameters,
    ),
    await on.rows(
      `SELECT COUNT(*), SUM(expected), SUM(read_messages), SUM(duplicates), SUM(status = 'completed'),
              SUM(${isAcceptedWindow('extract_windows')}) FROM extract_windows WHERE ${sql}`,
      parameters,
    ),
  ];
  return createHash('sha256').update(JSON.stringify(state)).digest();
}
