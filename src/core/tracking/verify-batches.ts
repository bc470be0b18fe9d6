import type { Database, Parameter, Statements } from './database.js';
import { inScope, type JobSet } from './scope.js';

export interface WrittenRecord {
  readonly bytes: number;
  readonly sha256: Buffer;
  readonly etag: string | undefined;
}

/** A batch as its own row has it. */
export interface BatchRecord {
  readonly batchId: number;
  readonly jobId: number;
  readonly hasJob: boolean;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed';
  readonly total: number;
  readonly processed: number;
  readonly failed: number;
  readonly claims: number;
  /** Whether a lease is written on it, run out or not. */
  readonly hasLease: boolean;
  /** Its object in layout `batch`; undefined where it has none. */
  readonly object: WrittenRecord | undefined;
  readonly index: WrittenRecord | undefined;
  /** The joins its messages were completed with; undefined where that is not known. */
  readonly joinsHash: Buffer | undefined;
}

/** A batch and what its rows in message_tracking are, both of the same instant. */
export interface CountedBatch extends BatchRecord {
  readonly rows: number;
  readonly rowsPending: number;
  readonly rowsInProgress: number;
  readonly rowsCompleted: number;
  readonly rowsFailed: number;
  /** Completed, but the row does not say where. */
  readonly withoutPath: number;
  /** Completed, but without length or checksum of an object of its own. */
  readonly withoutObject: number;
  /** Completed in an object of its own. */
  readonly withObject: number;
  /** Completed, in a place outside this target's prefix, and one such place. */
  readonly elsewhere: number;
  readonly place: string | undefined;
  /** Of those completed without an object of their own, the first and the last place, by their text. */
  readonly firstPath: string | undefined;
  readonly lastPath: string | undefined;
  /** Failed, but the row does not say why. */
  readonly withoutError: number;
  /** May have a key that does not tell the message. */
  readonly longNames: number;
}

interface BatchRow {
  batch_id: number;
  job_id: number;
  has_job: number;
  status: BatchRecord['status'];
  total_messages: number;
  processed: number;
  failed: number;
  claims: number;
  has_lease: number;
  object_bytes: number | null;
  object_sha256: Buffer | null;
  object_etag: string | null;
  index_bytes: number | null;
  index_sha256: Buffer | null;
  index_etag: string | null;
  joins_hash: Buffer | null;
}

const BATCH = `b.batch_id, b.job_id, EXISTS (SELECT 1 FROM job_runs j WHERE j.job_id = b.job_id) AS has_job, b.status,
  b.total_messages, b.processed, b.failed, b.claims,
  (b.lease_token IS NOT NULL AND b.lease_expires_at IS NOT NULL) AS has_lease,
  b.object_bytes, b.object_sha256, b.object_etag, b.index_bytes, b.index_sha256, b.index_etag, b.joins_hash`;

/** Messages counted by one statement: 0.75 s of it at 133,000 rows a second (MySQL 9.7); a batch has up to 10,000. */
const MESSAGES_A_STEP = 100_000;

/** The next batches behind one, in the order of their numbers: up to `limit`. */
export async function batchesAfter(
  database: Database,
  scope: JobSet,
  after: number,
  limit: number,
): Promise<BatchRecord[]> {
  const jobs = inScope(scope, 'b.job_id');
  const rows = await database.rows<BatchRow>(
    `SELECT ${BATCH} FROM batch_progress b WHERE b.batch_id > ? AND ${jobs.sql} ORDER BY b.batch_id LIMIT ?`,
    [after, ...jobs.parameters, limit],
  );
  return rows.map(toBatch);
}

/** Batches by their numbers; those that are not there are left out. */
export async function batchesByNumber(
  database: Statements,
  batchIds: readonly number[],
): Promise<Map<number, BatchRecord>> {
  if (batchIds.length === 0) return new Map();
  const rows = await database.rows<BatchRow>(
    `SELECT ${BATCH} FROM batch_progress b WHERE b.batch_id IN (?)`,
    [batchIds],
  );
  return new Map(rows.map((row) => [row.batch_id, toBatch(row)]));
}

/** Those of some batch numbers that rows of message_tracking name. */
export async function numbersWithRows(
  on: Statements,
  batchIds: readonly number[],
): Promise<Set<number>> {
  if (batchIds.length === 0) return new Set();
  const rows = await on.rows<{ batch_id: number }>(
    'SELECT DISTINCT batch_id FROM message_tracking WHERE batch_id IN (?)',
    [batchIds],
  );
  return new Set(rows.map(({ batch_id }) => batch_id));
}

/** The highest number a batch has now. */
export async function newestBatch(database: Statements): Promise<number> {
  const [row] = await database.rows<{ newest: number | null }>(
    'SELECT MAX(batch_id) AS newest FROM batch_progress',
  );
  return row?.newest ?? 0;
}

/** The lowest number of a batch that an extraction may still fill: unclaimed, or not there yet. */
export async function firstGrowing(database: Statements): Promise<number> {
  const [row] = await database.rows<{ first: number | null }>(
    `SELECT MIN(batch_id) AS first FROM batch_progress WHERE status = 'pending' AND claims = 0`,
  );
  return row?.first ?? (await newestBatch(database)) + 1;
}

/** How many messages the batches from this number on have: what an extraction adds shows in it. */
export async function messagesFrom(database: Statements, batchId: number): Promise<number> {
  const [row] = await database.rows<{ messages: number }>(
    `SELECT CAST(COALESCE(SUM(total_messages), 0) AS UNSIGNED) AS messages FROM batch_progress WHERE batch_id >= ?`,
    [batchId],
  );
  return row?.messages ?? 0;
}

export interface CountStep {
  readonly batches: readonly CountedBatch[];
  /** The last number it looked at; undefined where none was left. */
  readonly last: number | undefined;
}

/** What tells a row whose key may not tell its message, and a place outside the target. */
export interface RowMarks {
  /** URL of the prefix, with a slash at its end. */
  readonly prefix: string;
  /** Ids of more bytes than this. */
  readonly longId: number;
  /** Indices whose name is too long for a key. */
  readonly longIndices: readonly number[];
}

/** Counts the rows of the next batches, up to 1,000 of them, by ranges of the primary key: flat memory, no sort. */
export async function countNextBatches(
  database: Database,
  scope: JobSet,
  after: number,
  marks: RowMarks,
): Promise<CountStep> {
  const jobs = inScope(scope, 'job_id');
  const next = await database.rows<{ batch_id: number; total_messages: number }>(
    `SELECT batch_id, total_messages FROM batch_progress WHERE batch_id > ? AND ${jobs.sql} ORDER BY batch_id LIMIT 1000`,
    [after, ...jobs.parameters],
  );
  const batchIds: number[] = [];
  let messages = 0;
  for (const { batch_id, total_messages } of next) {
    if (batchIds.length > 0 && messages + total_messages > MESSAGES_A_STEP) break;
    batchIds.push(batch_id);
    messages += total_messages;
  }
  return { batches: await countBatchRows(database, batchIds, marks), last: batchIds.at(-1) };
}

/** Batches and the sums of their rows, by one statement: a process beside us moves both in one transaction. */
export async function countBatchRows(
  on: Statements,
  batchIds: readonly number[],
  { prefix, longId, longIndices }: RowMarks,
): Promise<CountedBatch[]> {
  if (batchIds.length === 0) return [];
  const isCompleted = `t.status = 'completed'`;
  const isOutside = `(${isCompleted} AND t.s3_path IS NOT NULL AND LEFT(t.s3_path, CHAR_LENGTH(?)) <> ?)`;
  const hasObject = '(t.object_bytes IS NOT NULL AND t.object_sha256 IS NOT NULL)';
  const sum = (condition: string) => `CAST(SUM(${condition}) AS UNSIGNED)`;
  const parameters: Parameter[] = [
    ...[prefix, prefix, prefix, prefix],
    ...[longId, [0, ...longIndices], batchIds, batchIds],
  ];
  const rows = await on.rows<CountedRow>(
    `SELECT ${BATCH}, r.* FROM batch_progress b LEFT JOIN (
       SELECT t.batch_id AS counted_batch, COUNT(*) AS rows_all, ${sum(`t.status = 'pending'`)} AS rows_pending,
              ${sum(`t.status = 'in_progress'`)} AS rows_in_progress, ${sum(isCompleted)} AS rows_completed,
              ${sum(`t.status = 'failed'`)} AS rows_failed,
              ${sum(`${isCompleted} AND t.s3_path IS NULL`)} AS without_path,
              ${sum(`${isCompleted} AND NOT ${hasObject}`)} AS without_object,
              ${sum(`${isCompleted} AND ${hasObject}`)} AS with_object,
              ${sum(isOutside)} AS elsewhere, MIN(IF(${isOutside}, t.s3_path, NULL)) AS place,
              MIN(IF(${isCompleted} AND NOT ${hasObject}, t.s3_path, NULL)) AS first_path,
              MAX(IF(${isCompleted} AND NOT ${hasObject}, t.s3_path, NULL)) AS last_path,
              ${sum(`t.status = 'failed' AND t.error_code IS NULL`)} AS without_error,
              ${sum(`LENGTH(t.message_id) > ? OR t.index_id IN (?)`)} AS long_names
       FROM message_tracking t FORCE INDEX (PRIMARY) WHERE t.batch_id IN (?) GROUP BY t.batch_id
     ) r ON r.counted_batch = b.batch_id WHERE b.batch_id IN (?) ORDER BY b.batch_id`,
    parameters,
  );
  return rows.map(toCounted);
}

interface CountedRow extends BatchRow {
  rows_all: number | null;
  rows_pending: number | null;
  rows_in_progress: number | null;
  rows_completed: number | null;
  rows_failed: number | null;
  without_path: number | null;
  without_object: number | null;
  with_object: number | null;
  elsewhere: number | null;
  place: string | null;
  first_path: string | null;
  last_path: string | null;
  without_error: number | null;
  long_names: number | null;
}

function toCounted(row: CountedRow): CountedBatch {
  return {
    ...toBatch(row),
    rows: row.rows_all ?? 0,
    rowsPending: row.rows_pending ?? 0,
    rowsInProgress: row.rows_in_progress ?? 0,
    rowsCompleted: row.rows_completed ?? 0,
    rowsFailed: row.rows_failed ?? 0,
    withoutPath: row.without_path ?? 0,
    withoutObject: row.without_object ?? 0,
    withObject: row.with_object ?? 0,
    elsewhere: row.elsewhere ?? 0,
    place: row.place ?? undefined,
    firstPath: row.first_path ?? undefined,
    lastPath: row.last_path ?? undefined,
    withoutError: row.without_error ?? 0,
    longNames: row.long_names ?? 0,
  };
}

function toBatch(row: BatchRow): BatchRecord {
  return {
    batchId: row.batch_id,
    jobId: row.job_id,
    hasJob: row.has_job === 1,
    status: row.status,
    total: row.total_messages,
    processed: row.processed,
    failed: row.failed,
    claims: row.claims,
    hasLease: row.has_lease === 1,
    object: toObject(row.object_bytes, row.object_sha256, row.object_etag),
    index: toObject(row.index_bytes, row.index_sha256, row.index_etag),
    joinsHash: row.joins_hash ?? undefined,
  };
}

export function toObject(
  bytes: number | null,
  sha256: Buffer | null,
  etag: string | null,
): WrittenRecord | undefined {
  return bytes === null || sha256 === null ? undefined : { bytes, sha256, etag: etag ?? undefined };
}

/** Numbers between two batches' that rows name though there is no such batch, and how many rows do. */
export async function rowsWithoutBatch(
  database: Database,
  after: number,
  upTo: number | undefined,
): Promise<{ batchId: number; rows: number }[]> {
  const stray = await database.rows<{ batch_id: number }>(
    `SELECT s.batch_id FROM (SELECT batch_id FROM message_tracking FORCE INDEX (PRIMARY)
       WHERE batch_id > ? AND (? IS NULL OR batch_id <= ?) GROUP BY batch_id) s
     LEFT JOIN batch_progress b ON b.batch_id = s.batch_id WHERE b.batch_id IS NULL ORDER BY s.batch_id LIMIT 1000`,
    [after, upTo ?? null, upTo ?? null],
  );
  if (stray.length === 0) return [];
  const rows = await database.rows<{ batch_id: number; rows_all: number }>(
    'SELECT batch_id, COUNT(*) AS rows_all FROM message_tracking WHERE batch_id IN (?) GROUP BY batch_id ORDER BY batch_id',
    [stray.map(({ batch_id }) => batch_id)],
  );
  return rows.map(({ batch_id, rows_all }) => ({ batchId: batch_id, rows: rows_all }));
}

/**
 * Completed messages with objects of their own, of all jobs (their keys don't tell the job), and those in batches' objects, of
 * the jobs in scope; and messages of all jobs that are not completed, of which an attempt may have left an object.
 */
export async function storedTotals(
  database: Database,
  scope: JobSet,
): Promise<{ own: number; shared: number; open: number }> {
  const jobs = inScope(scope, 'job_id');
  const [row] = await database.rows<{
    own: number | null;
    shared: number | null;
    open: number | null;
  }>(
    `SELECT CAST(SUM(IF(object_bytes IS NULL, processed, 0)) AS UNSIGNED) AS own,
            CAST(SUM(IF(object_bytes IS NOT NULL AND ${jobs.sql}, processed, 0)) AS UNSIGNED) AS shared,
            CAST(SUM(CAST(total_messages AS SIGNED) - CAST(processed AS SIGNED)) AS SIGNED) AS open
     FROM batch_progress`,
    jobs.parameters,
  );
  return { own: row?.own ?? 0, shared: row?.shared ?? 0, open: row?.open ?? 0 };
}
