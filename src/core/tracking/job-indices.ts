import type { Interval } from '../extract/types.js';
import type { Database } from './database.js';
import { countBatches } from './counters.js';
import { isAccepted } from './failed-batches.js';
import { inScope, onlyJobs, type JobSet } from './scope.js';

/** An index that messages were read from, as it was then. */
export interface ReadIndex {
  readonly indexId: number;
  readonly name: string;
  /** The jobs that read it. */
  readonly jobs: readonly number[];
  /** The UUIDs it had; none where an earlier version of es-migrate read it. */
  readonly uuids: readonly string[];
}

/** The same, and whether any of these jobs read it by the name, alias or pattern that is configured now. */
export interface ReadIndexOfRange extends ReadIndex {
  readonly isConfigured: boolean;
}

/** Notes that a job reads messages from an index of this UUID; safe to run twice. */
export async function noteReadIndex(
  database: Database,
  jobId: number,
  indexId: number,
  uuid: string,
): Promise<void> {
  await database.change(
    `INSERT INTO job_indices (job_id, index_id, index_uuid) VALUES (?, ?, ?)
     ON DUPLICATE KEY UPDATE index_uuid = job_indices.index_uuid`,
    [jobId, indexId, uuid],
  );
}

interface Row {
  index_id: number;
  name: string;
  job_id: number;
  index_uuid: string | null;
}

/** The indices that jobs of a scope have read, as long as any of their batches has this status. */
export async function indicesOfOpen(
  database: Database,
  scope: JobSet,
  statuses: readonly ('pending' | 'in_progress' | 'failed')[],
): Promise<ReadIndex[]> {
  const jobs = inScope(scope, 'j.job_id');
  const rows = await database.rows<Row>(
    `SELECT j.index_id, i.name, j.job_id, j.index_uuid FROM job_indices j
     JOIN source_indices i ON i.index_id = j.index_id
     WHERE ${jobs.sql} AND EXISTS (SELECT 1 FROM batch_progress b WHERE b.job_id = j.job_id AND b.status IN (?))
     ORDER BY i.name, j.job_id`,
    [...jobs.parameters, statuses],
  );
  return toIndices(rows);
}

/**
 * The indices that jobs have read whose interval has a part in common with this one, whatever they are over. Of jobs that an
 * earlier version extracted, those that were over one index.
 *
 * @param configured `source.index` as it is configured now
 */
export async function indicesReadIn(
  database: Database,
  { from, to }: Interval,
  configured: string,
): Promise<ReadIndexOfRange[]> {
  const rows = await database.rows<Row & { is_configured: number }>(
    `SELECT i.index_id, i.name, j.job_id, x.index_uuid, j.source_index = ? AS is_configured FROM job_runs j
     LEFT JOIN job_indices x ON x.job_id = j.job_id
     JOIN source_indices i ON i.index_id = x.index_id OR (x.index_id IS NULL AND i.name = j.plain_key_index)
     WHERE j.start_date < ? AND j.end_date > ? AND j.extracted > 0 ORDER BY i.name, j.job_id`,
    [configured, new Date(to), new Date(from)],
  );
  const by = new Set(rows.filter((row) => row.is_configured === 1).map((row) => row.index_id));
  return toIndices(rows).map((index) => ({ ...index, isConfigured: by.has(index.indexId) }));
}

function toIndices(rows: readonly Row[]): ReadIndex[] {
  const indices = new Map<number, { name: string; jobs: Set<number>; uuids: Set<string> }>();
  for (const { index_id, name, job_id, index_uuid } of rows) {
    const index = indices.get(index_id) ?? { name, jobs: new Set(), uuids: new Set() };
    index.jobs.add(job_id);
    if (index_uuid !== null) index.uuids.add(index_uuid);
    indices.set(index_id, index);
  }
  return [...indices].map(([indexId, { name, jobs, uuids }]) => ({
    indexId,
    name,
    jobs: [...jobs],
    uuids: [...uuids],
  }));
}

/** More messages than this are not counted one by one. */
const MOST_COUNTED = 1_000_000;

/**
 * How many messages that some jobs read from an index are not migrated yet. Where they have very many, all that these jobs have
 * left stand for them, and `isExact` is false.
 */
export async function countUnfinished(
  database: Database,
  { indexId, jobs }: Pick<ReadIndex, 'indexId' | 'jobs'>,
): Promise<{ messages: number; isExact: boolean }> {
  const { messages } = await countBatches(database, onlyJobs(jobs));
  const left = messages.pending + messages.inProgress;
  if (left > MOST_COUNTED) return { messages: left, isExact: false };
  const [row] = await database.rows<{ messages: number }>(
    `SELECT COUNT(*) AS messages FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id
     WHERE b.status IN ('pending', 'in_progress') AND b.job_id IN (?)
       AND t.status IN ('pending', 'in_progress') AND t.index_id = ?`,
    [jobs, indexId],
  );
  return { messages: row?.messages ?? 0, isExact: true };
}

/** Messages of an index that failed since it no longer had them, and are not accepted. */
export async function countMissing(
  database: Database,
  { indexId, jobs }: Pick<ReadIndex, 'indexId' | 'jobs'>,
): Promise<number> {
  const [row] = await database.rows<{ messages: number }>(
    `SELECT COUNT(*) AS messages FROM batch_progress b JOIN message_tracking t ON t.batch_id = b.batch_id
     WHERE b.status = 'failed' AND NOT ${isAccepted('b')} AND b.job_id IN (?)
       AND t.status = 'failed' AND t.error_code = 'missing' AND t.index_id = ?`,
    [jobs, indexId],
  );
  return row?.messages ?? 0;
}

/** Ids looked up by one statement. */
const IDS_AT_ONCE = 1000;

/** How many of some ids are tracked under these indices. */
export async function countTracked(
  database: Database,
  ids: readonly Buffer[],
  indexIds: readonly number[],
): Promise<number> {
  let count = 0;
  for (let first = 0; first < ids.length; first += IDS_AT_ONCE) {
    const [row] = await database.rows<{ tracked: number }>(
      `SELECT COUNT(DISTINCT message_id) AS tracked FROM message_tracking FORCE INDEX (message)
       WHERE message_id IN (?) AND index_id IN (?)`,
      [ids.slice(first, first + IDS_AT_ONCE), indexIds],
    );
    count += row?.tracked ?? 0;
  }
  return count;
}
