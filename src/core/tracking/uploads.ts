import type { Database } from './database.js';

/** What an upload is for, as its key tells: a claim of a batch, or a message, by its id or the SHA-256 of it. */
export type UploadPurpose =
  | { readonly jobId: number; readonly batchId: number; readonly claim: number }
  | { readonly messageId: Uint8Array }
  | { readonly messageSha256: Uint8Array };

/**
 * Whether an upload was begun for a message or a claim of this database, and nobody is at work on it: the batch it belongs
 * to is not claimed under a lease that runs, by the database's clock. False, too, where nothing is known of it: then it
 * is not ours.
 *
 * A process that was paused past its lease may find its upload gone when it wakes up. It then begins another, or finds its
 * batch with somebody else.
 */
export async function isUploadAbandoned(
  database: Database,
  purpose: UploadPurpose,
): Promise<boolean> {
  const { sql, parameters } = holders(purpose);
  const rows = await database.rows<{ held: number | null }>(sql, parameters);
  return rows.length > 0 && rows.every(({ held }) => held !== 1);
}

/** For each batch it may belong to: is it held? */
function holders(purpose: UploadPurpose): { sql: string; parameters: (number | Buffer)[] } {
  const held = "b.status = 'in_progress' AND b.lease_expires_at >= NOW(6)";
  if ('batchId' in purpose) {
    const { jobId, batchId, claim } = purpose;
    return {
      sql: `SELECT b.claims = ? AND ${held} AS held FROM batch_progress b
            WHERE b.batch_id = ? AND b.job_id = ? AND b.claims >= ?`,
      parameters: [claim, batchId, jobId, claim],
    };
  }
  const ofMessage = (condition: string) =>
    `SELECT ${held} AS held FROM message_tracking t JOIN batch_progress b ON b.batch_id = t.batch_id WHERE ${condition}`;
  if ('messageId' in purpose) {
    return { sql: ofMessage('t.message_id = ?'), parameters: [Buffer.from(purpose.messageId)] };
  }
  // Reads the whole table; ids that are hashed in keys are rare, and their uploads in parts rarer still.
  return {
    sql: ofMessage('LENGTH(t.message_id) > 60 AND UNHEX(SHA2(t.message_id, 256)) = ?'),
    parameters: [Buffer.from(purpose.messageSha256)],
  };
}
