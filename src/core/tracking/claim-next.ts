import type { LeaseOwner } from '../run.js';
import { contradicts, isAtOdds, type BatchAtOdds } from './agreement.js';
import { take, type ClaimedBatch } from './claims.js';
import type { Database, Parameter, Statements } from './database.js';
import type { Condition } from './failed-batches.js';
import { newLease } from './lease.js';
import { ALL_JOBS, inScope, type JobSet } from './scope.js';

/** What came of claiming any batch. */
export type NextClaim =
  | {
      readonly kind: 'claimed';
      readonly batch: ClaimedBatch;
      /** It was claimed before. */
      readonly isAgain: boolean;
    }
  | { readonly kind: 'none' }
  /** The next one was tried before, and no try came to its end: it needs more room. */
  | { readonly kind: 'tried'; readonly needs: Room }
  /** This one was tried as often as it may be, and no try came to its end. */
  | {
      readonly kind: 'worn-out';
      readonly jobId: number;
      readonly batchId: number;
      readonly tries: number;
    }
  /** The counters and the rows of the next one contradict each other: it was left as it is. */
  | { readonly kind: 'at-odds'; readonly error: BatchAtOdds };

/** Beside how many others a batch would be processed: as many as there are places, half of them at most, or none. */
export type Room = 'one' | 'half' | 'all';
const ROOMS: readonly Room[] = ['one', 'half', 'all'];

/** On which terms a batch is claimed. */
export interface Terms {
  /** Jobs whose batches may be claimed. */
  readonly scope: JobSet;
  readonly room: Room;
  /** Whether those that were claimed before come first, for once, and not last. */
  readonly isTheirTurn?: boolean;
  /** One that was tried so often, and never came to an end, is not claimed. */
  readonly mostTries: number;
  /** Batches that are left alone. */
  readonly passOver?: readonly number[];
}

/** The token is there already where a try before this one had committed without our hearing of it. */
const MINE = 'SELECT batch_id FROM batch_progress WHERE lease_token = ? FOR UPDATE';
/** Never claimed. */
const NEW = `status = 'pending' AND tries = 0 AND NOT suspect AND claims = 0`;
/** Given back, or excused. That may happen again, so new ones come first. */
const RETURNED = `status = 'pending' AND tries = 0 AND NOT suspect AND claims > 0`;
const EXPIRED = `status = 'in_progress' AND lease_expires_at < NOW(6)`;
/** Those that only died with another one come before those that did so again. */
const TRIED = [
  `status = 'pending' AND tries = 0 AND suspect`,
  `${EXPIRED} AND tries = 0`,
  `status = 'pending' AND tries > 0`,
  EXPIRED,
];
/** More tries than this, and a batch is processed alone: what only died with another one is found out by then. */
const MOST_BESIDE = 1;

/**
 * Claims one batch, a pending one or one whose lease has run out, by the database's clock: writes token,
 * owner and expiry and marks its unfinished messages `in_progress`, in one transaction (invariant 3). Batches that may have
 * killed the process that had claimed them come last, unless it is their turn.
 */
export async function claimNext(
  database: Database,
  owner: LeaseOwner | string,
  leaseSeconds: number,
  terms: Terms,
): Promise<NextClaim> {
  try {
    return await claimOne(database, owner, leaseSeconds, terms);
  } catch (error) {
    if (isAtOdds(error)) return { kind: 'at-odds', error };
    throw error;
  }
}

async function claimOne(
  database: Database,
  owner: LeaseOwner | string,
  leaseSeconds: number,
  { scope, room, isTheirTurn = false, mostTries, passOver = [] }: Terms,
): Promise<NextClaim> {
  const lease = newLease(owner, leaseSeconds);
  let isFirst = true;
  return database.transaction(async (on): Promise<NextClaim> => {
    const mine = isFirst ? undefined : await firstBatch(on, MINE, [lease.token]);
    isFirst = false;
    if (mine !== undefined)
      return { kind: 'claimed', batch: await take(on, mine, lease, true), isAgain: false };
    const find = (condition: string) => findBatch(on, scope, but(passOver, condition));
    const fresh = isTheirTurn ? undefined : await find(NEW);
    if (fresh !== undefined)
      return { kind: 'claimed', batch: await take(on, fresh, lease, false), isAgain: false };
    const rest = [RETURNED, ...TRIED, ...(isTheirTurn ? [NEW] : [])];
    const batchId = await firstOf(rest, find);
    if (batchId === undefined) return { kind: 'none' };
    const [row] = await on.rows<{ job_id: number; claims: number; tries: number }>(
      'SELECT job_id, claims, tries + IF(suspect, 1, 0) AS tries FROM batch_progress WHERE batch_id = ?',
      [batchId],
    );
    const { job_id: jobId = 0, claims = 0, tries = 0 } = row ?? {};
    const needs = tries === 0 ? 'one' : tries <= MOST_BESIDE ? 'half' : 'all';
    if (ROOMS.indexOf(room) < ROOMS.indexOf(needs)) return { kind: 'tried', needs };
    if (tries >= mostTries) return { kind: 'worn-out', jobId, batchId, tries };
    const batch = await take(on, batchId, lease, false);
    return { kind: 'claimed', batch, isAgain: claims > 0 };
  });
}

/** A condition on batches, and none of these. */
function but(passOver: readonly number[], condition: string): Condition {
  if (passOver.length === 0) return { sql: condition, parameters: [] };
  return { sql: `${condition} AND batch_id NOT IN (?)`, parameters: [passOver] };
}

/**
 * The same for a process that has no other batch in hand and gives none up. Undefined where there is none.
 *
 * @throws BatchAtOdds
 */
export async function claimBatch(
  database: Database,
  owner: LeaseOwner | string,
  leaseSeconds: number,
  scope: JobSet = ALL_JOBS,
): Promise<ClaimedBatch | undefined> {
  const terms = { scope, room: 'all' as const, mostTries: Number.POSITIVE_INFINITY };
  const next = await claimNext(database, owner, leaseSeconds, terms);
  if (next.kind === 'at-odds') throw next.error;
  return next.kind === 'claimed' ? next.batch : undefined;
}

/** The first batch of the scope that fulfils a condition and that nobody has locked; its row is locked from then on. */
async function findBatch(
  on: Statements,
  scope: JobSet,
  condition: Condition,
): Promise<number | undefined> {
  // The optimizer takes other conditions than these for reasons to read a job's finished batches.
  const lock = 'ORDER BY batch_id LIMIT 1 FOR UPDATE SKIP LOCKED';
  if (scope.kind === 'except') {
    // Hardly ever more than a few: jobs over other indices in the same database.
    const { sql, parameters } = inScope(scope, 'job_id');
    const select = `SELECT batch_id FROM batch_progress FORCE INDEX (claimable) WHERE ${condition.sql} AND ${sql} ${lock}`;
    return firstBatch(on, select, [...condition.parameters, ...parameters]);
  }
  // Job by job, each by the index: the batches of other jobs, which may be many, are neither read nor locked.
  for (const job of await jobsWith(on, scope, condition)) {
    const select = `SELECT batch_id FROM batch_progress FORCE INDEX (job_status) WHERE ${condition.sql} AND job_id = ? ${lock}`;
    const batchId = await firstBatch(on, select, [...condition.parameters, job]);
    if (batchId !== undefined) return batchId;
  }
  return undefined;
}

/**
 * Whether a batch of these jobs could be claimed now, or could be if it were not locked for this moment. One whose counters and
 * rows contradict each other could not: who waits for it would wait for ever.
 */
export async function hasClaimable(database: Database, scope: JobSet): Promise<boolean> {
  const { sql, parameters } = inScope(scope, 'job_id');
  for (const condition of [`status = 'pending'`, EXPIRED]) {
    const rows = await database.rows(
      `SELECT 1 FROM batch_progress b WHERE ${condition} AND ${sql} AND NOT ${contradicts('b')} LIMIT 1`,
      parameters,
    );
    if (rows.length > 0) return true;
  }
  return false;
}

/** Those jobs of the scope that have such a batch, oldest first. */
async function jobsWith(
  on: Statements,
  { jobs }: JobSet,
  condition: Condition,
): Promise<readonly number[]> {
  if (jobs.length < 2) return jobs;
  const rows = await on.rows<{ job_id: number }>(
    `SELECT j.job_id FROM job_runs j WHERE j.job_id IN (?)
       AND (SELECT b.batch_id FROM batch_progress b FORCE INDEX (job_status) WHERE b.job_id = j.job_id AND ${condition.sql} LIMIT 1) IS NOT NULL
     ORDER BY j.job_id`,
    [jobs, ...condition.parameters],
  );
  return rows.map(({ job_id }) => job_id);
}

async function firstOf<T>(
  items: readonly T[],
  find: (item: T) => Promise<number | undefined>,
): Promise<number | undefined> {
  for (const item of items) {
    const found = await find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function firstBatch(
  on: Statements,
  sql: string,
  parameters: readonly Parameter[],
): Promise<number | undefined> {
  const [row] = await on.rows<{ batch_id: number }>(sql, parameters);
  return row?.batch_id;
}
