import type { Database } from './database.js';

export interface TrackedMessage {
  readonly index: string;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed';
  readonly url: string | undefined;
  readonly errorCode: string | undefined;
  /** Of the object it lies in, as it was stored: its own, or its batch's. */
  readonly sha256: Buffer | undefined;
}

/** The rows of one id: one for every index it occurs in. */
export async function findMessages(
  database: Database,
  messageId: string,
): Promise<TrackedMessage[]> {
  const rows = await database.rows<{
    name: string;
    status: TrackedMessage['status'];
    s3_path: string | null;
    error_code: string | null;
    sha256: Buffer | null;
  }>(
    `SELECT i.name, t.status, t.s3_path, t.error_code, COALESCE(t.object_sha256, b.object_sha256) AS sha256
     FROM message_tracking t JOIN source_indices i ON i.index_id = t.index_id
     LEFT JOIN batch_progress b ON b.batch_id = t.batch_id WHERE t.message_id = ? ORDER BY i.name`,
    [Buffer.from(messageId, 'utf8')],
  );
  return rows.map((row) => ({
    index: row.name,
    status: row.status,
    url: row.s3_path ?? undefined,
    errorCode: row.error_code ?? undefined,
    sha256: row.sha256 ?? undefined,
  }));
}

/** This tracking database's own id. */
export async function databaseId(database: Database): Promise<string> {
  const [row] = await database.rows<{ database_id: string }>(
    'SELECT database_id FROM tracking_database',
  );
  if (!row) throw new Error('the tracking database has no id');
  return row.database_id;
}
