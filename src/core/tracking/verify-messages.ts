import type { Database, Parameter, Statements } from './database.js';
import { inPackets } from './packets.js';
import { inScope, type JobSet } from './scope.js';
import { toObject, type WrittenRecord } from './verify-batches.js';

/** A message's row, and what its key depends on. */
export interface MessageRecord {
  readonly id: Buffer;
  readonly indexId: number;
  readonly index: string;
  readonly batchId: number;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed';
  readonly path: string | undefined;
  /** Its own object; undefined where it is in its batch's, or nothing is known of it. */
  readonly object: WrittenRecord | undefined;
  /** Its batch's job; undefined where there is no such batch. */
  readonly jobId: number | undefined;
  /** False where its batch or its job are not there: then nothing tells its key. */
  readonly hasJob: boolean;
  /** The one index whose keys its job leaves out. */
  readonly plainKeyIndex: string | undefined;
}

/** Ids, or keys, named by one statement. */
const IDS_PER_STATEMENT = 1000;

interface Row {
  message_id: Buffer;
  index_id: number;
  name: string | null;
  batch_id: number;
  status: MessageRecord['status'];
  s3_path: string | null;
  object_bytes: number | null;
  object_sha256: Buffer | null;
  object_etag: string | null;
  job_id: number | null;
  has_job: number;
  plain_key_index: string | null;
}

const MESSAGE = `t.message_id, t.index_id, i.name, t.batch_id, t.status, t.s3_path, t.object_bytes, t.object_sha256,
  t.object_etag, b.job_id, j.job_id IS NOT NULL AS has_job,
  j.plain_key_index`;
const JOINED = `LEFT JOIN source_indices i ON i.index_id = t.index_id
  LEFT JOIN batch_progress b ON b.batch_id = t.batch_id LEFT JOIN job_runs j ON j.job_id = b.job_id`;

/** All rows of some ids, in whatever index. */
export async function messagesById(
  on: Statements,
  ids: readonly Uint8Array[],
): Promise<MessageRecord[]> {
  const all = ids.map((id) => Buffer.from(id));
  const found: MessageRecord[] = [];
  for (const part of inPackets(on.packetBytes, all, IDS_PER_STATEMENT, (id) => id)) {
    const where = `FORCE INDEX (message) ${JOINED} WHERE t.message_id IN (?)`;
    found.push(...(await select(on, where, [part])));
  }
  return found;
}

/** The completed rows of a batch: 10,000 at most. */
export function completedRows(on: Statements, batchId: number): Promise<MessageRecord[]> {
  return select(on, `${JOINED} WHERE t.batch_id = ? AND t.status = 'completed'`, [batchId]);
}

/** Failed messages of these jobs, up to `limit`. */
export async function failedMessages(
  database: Database,
  jobs: JobSet,
  limit: number,
): Promise<{ readonly id: Buffer; readonly index: string }[]> {
  const scope = inScope(jobs, 'b.job_id');
  const rows = await database.rows<{ message_id: Buffer; name: string }>(
    `SELECT t.message_id, i.name FROM batch_progress b
     JOIN message_tracking t ON t.batch_id = b.batch_id AND t.status = 'failed'
     JOIN source_indices i ON i.index_id = t.index_id
     WHERE b.status = 'failed' AND ${scope.sql} LIMIT ?`,
    [...scope.parameters, limit],
  );
  return rows.map((row) => ({ id: row.message_id, index: row.name }));
}

/** Rows of these batches that may have a key that does not tell their message: see RowMarks. */
export function longNamed(
  on: Statements,
  batchIds: readonly number[],
  { longId, longIndices }: { longId: number; longIndices: readonly number[] },
): Promise<MessageRecord[]> {
  if (batchIds.length === 0) return Promise.resolve([]);
  return select(
    on,
    `${JOINED} WHERE t.batch_id IN (?) AND (LENGTH(t.message_id) > ? OR t.index_id IN (?))`,
    [batchIds, longId, [0, ...longIndices]],
  );
}

async function select(
  on: Statements,
  rest: string,
  parameters: readonly Parameter[],
): Promise<MessageRecord[]> {
  const rows = await on.rows<Row>(`SELECT ${MESSAGE} FROM message_tracking t ${rest}`, parameters);
  return rows.map((row) => ({
    id: row.message_id,
    indexId: row.index_id,
    index: row.name ?? `#${row.index_id}`,
    batchId: row.batch_id,
    status: row.status,
    path: row.s3_path ?? undefined,
    object: toObject(row.object_bytes, row.object_sha256, row.object_etag),
    jobId: row.job_id ?? undefined,
    hasJob: row.has_job === 1,
    plainKeyIndex: row.plain_key_index ?? undefined,
  }));
}

/** Whether any of a batch's completed rows lies under this prefix. */
export async function liesHere(
  database: Database,
  batchId: number,
  prefix: string,
): Promise<boolean> {
  const rows = await database.rows(
    `SELECT 1 FROM message_tracking WHERE batch_id = ? AND status = 'completed' AND s3_path IS NOT NULL
       AND LEFT(s3_path, CHAR_LENGTH(?)) = ? LIMIT 1`,
    [batchId, prefix, prefix],
  );
  return rows.length > 0;
}

/** Indices whose name has more bytes than this. */
export async function indicesLongerThan(database: Database, bytes: number): Promise<number[]> {
  const rows = await database.rows<{ index_id: number }>(
    'SELECT index_id FROM source_indices WHERE LENGTH(name) > ?',
    [bytes],
  );
  return rows.map(({ index_id }) => index_id);
}

/** Keeps the ids that keys of this verification do not tell. */
export async function rememberKeys(
  database: Database,
  verifyId: number,
  keys: readonly { readonly sha256: Buffer; readonly id: Buffer }[],
): Promise<void> {
  const all = keys.map(({ sha256, id }): readonly Parameter[] => [verifyId, sha256, id]);
  for (const rows of inPackets(database.packetBytes, all, IDS_PER_STATEMENT, (row) => row)) {
    await database.change(
      `INSERT INTO verify_keys (verify_id, key_sha256, message_id) VALUES ?
       ON DUPLICATE KEY UPDATE message_id = verify_keys.message_id`,
      [rows],
    );
  }
}

/** The ids of those keys that were kept. */
export async function idsOfKeys(
  database: Database,
  verifyId: number,
  sha256s: readonly Buffer[],
): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const part of inPackets(database.packetBytes, sha256s, IDS_PER_STATEMENT, (key) => key)) {
    const rows = await database.rows<{ message_id: Buffer }>(
      'SELECT message_id FROM verify_keys WHERE verify_id = ? AND key_sha256 IN (?)',
      [verifyId, part],
    );
    found.push(...rows.map(({ message_id }) => message_id));
  }
  return found;
}
