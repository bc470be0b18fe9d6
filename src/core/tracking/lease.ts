import { randomBytes } from 'node:crypto';
import type { LeaseOwner } from '../run.js';
import type { Database } from './database.js';

/** A claim's proof: whoever changes what was claimed names the token; the expiry is the database's. */
export interface Lease {
  /** 32 hexadecimal digits, new for every claim. */
  readonly token: string;
  /** For people: host and process. */
  readonly owner: string;
  /** What its host knows of the process: see `lease_process` in migrations; null: nothing. */
  readonly process: string | null;
  /** How long it lasts without a heartbeat, in seconds. */
  readonly seconds: number;
}

/** Tables whose rows are held by leases. */
export type LeasedTable = 'batch_progress' | 'job_runs' | 'verify_runs';

/** @param owner its name alone where nothing is known of its process */
export function newLease(owner: LeaseOwner | string, seconds: number): Lease {
  const { name, identity } =
    typeof owner === 'string' ? { name: owner, identity: undefined } : owner;
  const token = randomBytes(16).toString('hex');
  // With its token: an older es-migrate that takes the lease over leaves this behind, and it is not about that one.
  const process = identity === undefined ? null : `${token} ${identity}`;
  return { token, owner: name, process, seconds };
}

/** The identity in `lease_process`; undefined where it is about an earlier lease than the one of this token, or nothing is known. */
export function identityOf(process: string | null, token: string | null): string | undefined {
  return token !== null && process?.startsWith(`${token} `)
    ? process.slice(token.length + 1)
    : undefined;
}

/** Renews leases that are still held and gives the tokens of those that were lost. */
export async function renewLeases(
  database: Database,
  table: LeasedTable,
  leases: readonly Lease[],
): Promise<string[]> {
  const seconds = leases[0]?.seconds;
  if (seconds === undefined) return [];
  const tokens = leases.map(({ token }) => token);
  const { affectedRows } = await database.change(
    `UPDATE ${table} SET lease_expires_at = NOW(6) + INTERVAL ? SECOND
     WHERE lease_token IN (?) AND status IN ('in_progress', 'running')`,
    [seconds, tokens],
  );
  if (affectedRows === tokens.length) return [];
  const rows = await database.rows<{ lease_token: string }>(
    `SELECT lease_token FROM ${table} WHERE lease_token IN (?)`,
    [tokens],
  );
  const held = new Set(rows.map((row) => row.lease_token));
  return tokens.filter((token) => !held.has(token));
}

/** What others hold under live leases, and of those who holds it the one that lasts longest. */
export interface Held {
  readonly held: number;
  readonly longest: Holder | undefined;
}

/** Who holds something, and until when at least. */
export interface Holder {
  readonly owner: string;
  readonly until: Date;
  /** How long that is from now, by the database's clock. */
  readonly secondsLeft: number;
  /** What its host knows of the process (see `Host`); undefined: nothing. */
  readonly identity: string | undefined;
}

/** Of a query that groups by owner and has the longest lease first. */
export interface HeldRow {
  lease_owner: string;
  held: number;
  until: Date;
  seconds_left: number;
  identity: string | null;
}

/** The identity of the process that holds a row, where it is known: see `identityOf`. Of rows of one owner any one. */
export const IDENTITY = `MAX(IF(lease_process LIKE CONCAT(lease_token, ' %'), SUBSTRING(lease_process, 34), NULL))`;

export function toHeld(rows: readonly HeldRow[]): Held {
  const [first] = rows;
  return {
    held: rows.reduce((sum, { held }) => sum + held, 0),
    longest: first && {
      owner: first.lease_owner,
      until: first.until,
      secondsLeft: first.seconds_left,
      identity: first.identity ?? undefined,
    },
  };
}
