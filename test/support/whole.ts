import { createHash } from 'node:crypto';
import { query, landedObjects, documentsOf } from '../end-to-end/landed.js';
import { expectedKey, type Expected } from '../end-to-end/expected.js';
import type { RowDataPacket } from 'mysql2/promise';
import type { Project } from './project.js';
import { contradictions, openDatabase, trackingSettings } from './tracking.js';

export interface Whole {
  /** What is not as it has to be, in words; empty where everything fits. */
  readonly wrong: readonly string[];
  /** Objects no row points at, left by attempts that lost their batch: keys. */
  readonly orphans: readonly string[];
  readonly batches: number;
  /** Claims beyond the first of each batch. */
  readonly takeovers: number;
}

export interface WholeOptions {
  readonly layout: 'message' | 'batch';
  /** Failures that were planted: rows of message_errors there may be. */
  readonly errors?: number;
  /** Jobs there have to be; 1 unless said. */
  readonly jobs?: number;
}

interface MessageRow extends RowDataPacket {
  message_id: Buffer;
  name: string;
  batch_id: number;
  status: string;
  attempts: number;
  s3_path: string | null;
  object_bytes: number | null;
  object_sha256: Buffer | null;
}

interface BatchRow extends RowDataPacket {
  batch_id: number;
  job_id: number;
  claims: number;
  lease_expires_at: Date | null;
  object_bytes: number | null;
  object_sha256: Buffer | null;
  index_bytes: number | null;
  index_sha256: Buffer | null;
}

interface JobRow extends RowDataPacket {
  job_id: number;
  status: string;
  lease_token: string | null;
  extracted: number;
  expected: number;
  read_messages: number;
  duplicates: number;
  open_windows: number;
}

/**
 * Compares a finished migration with what Elasticsearch held, by connections and rules of its own: every message is
 * completed exactly once, its object holds its bytes, rows, counters and totals agree, nothing is claimed or open, and
 * nothing else lies under the prefix but what attempts that lost their batch had uploaded.
 */
export async function compareAll(
  project: Project,
  expected: ReadonlyMap<string, Expected>,
  { layout, errors = 0, jobs = 1 }: WholeOptions,
): Promise<Whole> {
  const rows = await query<MessageRow>(
    project,
    'SELECT t.*, i.name FROM message_tracking t JOIN source_indices i USING (index_id)',
  );
  const batches = new Map(
    (await query<BatchRow>(project, 'SELECT * FROM batch_progress')).map((row) => [
      row.batch_id,
      row,
    ]),
  );
  const objects = await landedObjects(project);
  const wrong = [
    ...wrongRows(rows, expected, errors > 0),
    ...(layout === 'message'
      ? wrongMessages(project, rows, expected, objects)
      : wrongBatches(project, rows, expected, batches, objects)),
    ...wrongLeases(batches),
    ...(await wrongJobs(project, expected.size, jobs)),
    ...(await wrongCounters(project)),
    ...(await wrongErrors(project, errors)),
  ];
  const pointedAt = new Set(rows.map(({ s3_path }) => keyOf(project, s3_path)));
  const orphans = [...objects.keys()].filter(
    (key) => !pointedAt.has(key) && !pointedAt.has(objectOfIndex(key)),
  );
  for (const key of orphans) if (!isOfLostClaim(key, batches)) wrong.push(`${key} lies there`);
  const takeovers = [...batches.values()].reduce((sum, { claims }) => sum + claims - 1, 0);
  return { wrong, orphans, batches: batches.size, takeovers };
}

function* wrongRows(
  rows: readonly MessageRow[],
  expected: ReadonlyMap<string, Expected>,
  mayHaveFailed: boolean,
): Generator<string> {
  const seen = new Set<string>();
  for (const row of rows) {
    const id = idOf(row);
    if (!expected.has(nameOf(row))) yield `${id} is tracked and was not in the range`;
    if (seen.has(nameOf(row))) yield `${id} is tracked twice`;
    seen.add(nameOf(row));
    if (row.status !== 'completed') yield `${id} is ${row.status}`;
    if (row.attempts > 0 && !mayHaveFailed) yield `${id} has lost ${row.attempts} attempts`;
  }
  for (const name of expected.keys()) if (!seen.has(name)) yield `${name} is not tracked`;
}

function* wrongMessages(
  project: Project,
  rows: readonly MessageRow[],
  expected: ReadonlyMap<string, Expected>,
  objects: ReadonlyMap<string, Buffer>,
): Generator<string> {
  for (const row of rows) {
    const key = keyOf(project, row.s3_path);
    const object = objects.get(key);
    if (key !== expectedKey(idOf(row), 's3')) yield `${idOf(row)} is said to be at ${key}`;
    if (object?.toString('utf8') !== expected.get(nameOf(row))?.document)
      yield `${key} does not hold what Elasticsearch held`;
    if (!object || !isAsRecorded(object, row.object_bytes, row.object_sha256))
      yield `${key} is not what its row says`;
  }
}

function* wrongBatches(
  project: Project,
  rows: readonly MessageRow[],
  expected: ReadonlyMap<string, Expected>,
  batches: ReadonlyMap<number, BatchRow>,
  objects: ReadonlyMap<string, Buffer>,
): Generator<string> {
  const lines = new Map<string, string[]>();
  for (const row of rows) {
    const key = keyOf(project, row.s3_path);
    const batch = batches.get(row.batch_id);
    if (key !== (batch && batchKey(batch))) yield `${idOf(row)} is said to be at ${key}`;
    lines.set(key, [...(lines.get(key) ?? []), expected.get(nameOf(row))?.document ?? '']);
  }
  for (const [key, documents] of lines) {
    const object = objects.get(key);
    const held = object ? documentsOf(object) : [];
    if (held.sort().join('\n') !== documents.sort().join('\n'))
      yield `${key} does not hold its messages, each once`;
  }
  for (const batch of batches.values()) {
    const key = batchKey(batch);
    const index = objects.get(indexOfObject(key));
    if (!isAsRecorded(objects.get(key), batch.object_bytes, batch.object_sha256))
      yield `${key} is not what its row says`;
    if (!isAsRecorded(index, batch.index_bytes, batch.index_sha256))
      yield `the index of ${key} is not what its row says`;
  }
}

function* wrongLeases(batches: ReadonlyMap<number, BatchRow>): Generator<string> {
  for (const { batch_id, lease_expires_at, claims } of batches.values()) {
    if (lease_expires_at) yield `batch ${batch_id} is still claimed`;
    if (claims < 1) yield `batch ${batch_id} was never claimed`;
  }
}

async function wrongJobs(project: Project, messages: number, count: number): Promise<string[]> {
  const jobs = await query<JobRow>(
    project,
    `SELECT j.job_id, j.status, j.lease_token, j.extracted, CAST(SUM(w.expected) AS UNSIGNED) AS expected,
            CAST(SUM(w.read_messages) AS UNSIGNED) AS read_messages, CAST(SUM(w.duplicates) AS UNSIGNED) AS duplicates,
            CAST(SUM(w.status <> 'completed' OR w.pit_id IS NOT NULL) AS UNSIGNED) AS open_windows
     FROM job_runs j LEFT JOIN extract_windows w USING (job_id) GROUP BY j.job_id`,
  );
  const cursors = await query(project, 'SELECT 1 FROM extract_cursors');
  const wrong = jobs
    .filter(
      (job) =>
        job.status !== 'completed' ||
        job.lease_token !== null ||
        job.open_windows > 0 ||
        job.read_messages !== job.expected ||
        job.extracted + job.duplicates !== job.expected,
    )
    .map((job) => `job ${JSON.stringify(job)}`);
  const extracted = jobs.reduce((sum, job) => sum + job.extracted, 0);
  if (jobs.length !== count) wrong.push(`there are ${jobs.length} jobs`);
  if (extracted !== messages) wrong.push(`the jobs say ${extracted} of ${messages} were extracted`);
  if (cursors.length > 0) wrong.push(`${cursors.length} cursors are left`);
  return wrong;
}

async function wrongCounters(project: Project): Promise<string[]> {
  const database = openDatabase(trackingSettings(project.database), 1);
  try {
    return await contradictions(database);
  } finally {
    await database.close();
  }
}

async function wrongErrors(project: Project, most: number): Promise<string[]> {
  const rows = await query(project, 'SELECT message_id, code, detail FROM message_errors');
  return rows.length > most ? [`${rows.length} errors: ${JSON.stringify(rows.slice(0, 3))}`] : [];
}

function isAsRecorded(
  object: Buffer | undefined,
  bytes: number | null,
  sha256: Buffer | null,
): boolean {
  return (
    object?.length === bytes &&
    sha256?.equals(createHash('sha256').update(object).digest()) === true
  );
}

const idOf = ({ message_id }: MessageRow) => message_id.toString('utf8');
const nameOf = (row: MessageRow) => `${row.name}\n${idOf(row)}`;
const keyOf = ({ urlPrefix }: Project, path: string | null) => (path ?? '').slice(urlPrefix.length);

/** As the contract has it. */
function batchKey({ job_id, batch_id, claims }: BatchRow): string {
  const padded = (value: number, digits: number) => String(value).padStart(digits, '0');
  return `batches/job-${padded(job_id, 6)}/batch-${padded(batch_id, 10)}-${padded(claims, 4)}.ndjson.gz`;
}

const indexOfObject = (key: string) =>
  key.replace(/^batches\/(.*)\.ndjson\.gz$/, '_index/$1.index.json.gz');
const objectOfIndex = (key: string) =>
  key.replace(/^_index\/(.*)\.index\.json\.gz$/, 'batches/$1.ndjson.gz');

/** Only a claim that was followed by another, or whose batch has gone since, leaves objects behind. */
function isOfLostClaim(key: string, batches: ReadonlyMap<number, BatchRow>): boolean {
  const [, id, claim] = /\/batch-(\d+)-(\d+)\.(?:ndjson|index\.json)\.gz$/.exec(key) ?? [];
  const batch = batches.get(Number(id));
  return id !== undefined && (!batch || Number(claim) < batch.claims);
}
