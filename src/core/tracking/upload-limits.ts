import type { UploadingProcess } from '../status/types.js';
import type { Database } from './database.js';

/** How long a row counts without being renewed, in seconds. */
const ROW_SECONDS = 30;
/** The column's width. */
const LONGEST_REASON = 64;

/**
 * Says how many uploads a process has in flight, for the next half minute.
 *
 * @param token 32 hexadecimal digits, the process's own
 */
export async function announceUploads(
  database: Database,
  token: string,
  { owner, inFlight, allowed, most, reason }: UploadingProcess,
): Promise<void> {
  await database.change(
    `REPLACE INTO upload_limits (token, owner, in_flight, allowed, most, reason, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, NOW(6) + INTERVAL ? SECOND)`,
    [token, owner, inFlight, allowed, most, reason?.slice(0, LONGEST_REASON) ?? null, ROW_SECONDS],
  );
}

/** Says that a process uploads no more; what dead ones left goes with it. */
export async function withdrawUploads(database: Database, token: string): Promise<void> {
  await database.change('DELETE FROM upload_limits WHERE token = ? OR expires_at < NOW(6)', [
    token,
  ]);
}

/**
 * Processes that upload now, by the database's clock.
 *
 * @param gone owners of leases whose process is known to be gone
 */
export async function listUploading(
  database: Database,
  gone: ReadonlySet<string> = new Set(),
): Promise<UploadingProcess[]> {
  const rows = await database.rows<{
    owner: string;
    in_flight: number;
    allowed: number;
    most: number;
    reason: string | null;
  }>(
    `SELECT owner, in_flight, allowed, most, reason FROM upload_limits
     WHERE expires_at >= NOW(6) ORDER BY owner, token`,
  );
  return rows
    .filter(({ owner }) => !gone.has(owner))
    .map(({ in_flight: inFlight, ...row }) => ({ ...row, inFlight }));
}
