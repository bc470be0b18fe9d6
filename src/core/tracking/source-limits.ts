import type { ImposedLimit } from '../run.js';
import type { ThrottledProcess } from '../status/types.js';
import type { Database } from './database.js';

/** How long a row counts without being renewed, in seconds. */
const ROW_SECONDS = 30;

export interface Announcement extends Omit<ImposedLimit, 'since'> {
  /** 32 hexadecimal digits, the process's own. */
  readonly token: string;
  /** For people: host and process. */
  readonly owner: string;
  /** How long it has lasted, in milliseconds; by the database's clock that is when it began. */
  readonly forMs: number;
}

/** Says that a process is limited, for the next half minute. */
export async function announceLimit(database: Database, announced: Announcement): Promise<void> {
  const { token, owner, share, inFlight, requestsPerSecond, reason, forMs } = announced;
  await database.change(
    `REPLACE INTO source_limits (token, owner, share, in_flight, requests_per_second, reason, since, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, NOW(6) - INTERVAL ? MICROSECOND, NOW(6) + INTERVAL ? SECOND)`,
    [
      token,
      owner,
      share,
      inFlight,
      requestsPerSecond,
      reason,
      Math.round(forMs * 1000),
      ROW_SECONDS,
    ],
  );
}

/** Says that a process is limited no more; what dead ones left goes with it. */
export async function withdrawLimit(database: Database, token: string): Promise<void> {
  await database.change('DELETE FROM source_limits WHERE token = ? OR expires_at < NOW(6)', [
    token,
  ]);
}

/** Processes that are limited now, by the database's clock; the one that has been for longest first; not those of owners that are gone. */
export async function listLimited(
  database: Database,
  gone: ReadonlySet<string> = new Set(),
): Promise<ThrottledProcess[]> {
  const rows = await database.rows<{
    owner: string;
    share: number;
    in_flight: number;
    requests_per_second: number;
    reason: string;
    since: Date;
    seconds: number;
  }>(
    `SELECT owner, share, in_flight, requests_per_second, reason, since,
            TIMESTAMPDIFF(SECOND, since, NOW(3)) AS seconds
     FROM source_limits WHERE expires_at >= NOW(6) ORDER BY since, token`,
  );
  return rows
    .filter(({ owner }) => !gone.has(owner))
    .map((row) => ({
      owner: row.owner,
      share: row.share,
      inFlight: row.in_flight,
      requestsPerSecond: row.requests_per_second,
      reason: row.reason,
      since: row.since,
      seconds: row.seconds,
    }));
}
