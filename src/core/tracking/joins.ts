import { usage, type MigrateError } from '../errors.js';
import type { Joins } from '../joins.js';
import type { Database, Statements } from './database.js';
import { inScope, type JobSet } from './scope.js';

/** A job or batch, in a column, that was made with other joins: see `areOthers`. */
function madeWithOthers(joins: Joins, column: string): { sql: string; parameters: Buffer[] } {
  const unknown = joins.isByIdAlone ? '' : ` OR ${column} IS NULL`;
  return { sql: `(${column} <> ?${unknown})`, parameters: [joins.hash] };
}

/**
 * Refuses jobs that were begun with other joins. One that was begun by an earlier version, which kept none, takes these on, unless
 * its messages were certainly completed with others.
 *
 * @throws MigrateError `usage`
 */
export async function requireJoins(database: Database, joins: Joins, jobs: JobSet): Promise<void> {
  const scope = inScope(jobs, 'j.job_id');
  const isDone =
    'EXISTS (SELECT 1 FROM batch_progress b WHERE b.job_id = j.job_id AND b.processed > 0)';
  const refused = await database.rows<{ job_id: number }>(
    `SELECT j.job_id FROM job_runs j
     WHERE ${scope.sql} AND (j.joins_hash <> ? OR (? AND j.joins_hash IS NULL AND ${isDone}))
     ORDER BY j.job_id LIMIT ?`,
    [...scope.parameters, joins.hash, !joins.isByIdAlone, MOST_NAMED + 1],
  );
  if (refused.length > 0) throw otherJoins(refused.map(({ job_id }) => job_id));
  await setJoins(database, joins, jobs, 'j.joins_hash IS NULL');
}

/** Makes these jobs jobs of these joins, whatever they were made with. */
export function setJoins(
  database: Database,
  joins: Joins,
  jobs: JobSet,
  where: 'j.joins_hash IS NULL' | 'TRUE' = 'TRUE',
): Promise<unknown> {
  const scope = inScope(jobs, 'j.job_id');
  return database.change(
    `UPDATE job_runs j SET j.joins_hash = ?, j.updated_at = j.updated_at WHERE ${scope.sql} AND ${where}`,
    [joins.hash, ...scope.parameters],
  );
}

const MOST_NAMED = 10;

/** What is said where jobs were begun with other joins than this configuration's. */
export function otherJoins(jobs: readonly number[]): MigrateError {
  const shown = jobs.slice(0, MOST_NAMED).join(', ');
  const more = jobs.length > MOST_NAMED ? ' and more' : '';
  const which = jobs.length > 1 ? `jobs ${shown}${more} were` : `job ${shown} was`;
  const one = jobs.length === 1 ? ` --job ${shown}` : '';
  return usage(
    `${which} begun with other joins of related records (source.related): documents made with these would differ from those made with the others`,
    `Use the configuration it was begun with, or have all of it made with this one: "es-migrate retry --other-joins${one}" puts back what was made with the others, "es-migrate process" makes it again.`,
  );
}

/** Batches of these jobs with completed messages that were made with other joins, behind one, in order. */
export async function batchesWithOtherJoins(
  database: Statements,
  joins: Joins,
  jobs: JobSet,
  after: number,
  limit: number,
): Promise<{ batchId: number; messages: number }[]> {
  const scope = inScope(jobs, 'job_id');
  const others = madeWithOthers(joins, 'joins_hash');
  const rows = await database.rows<{ batch_id: number; processed: number }>(
    `SELECT batch_id, processed FROM batch_progress
     WHERE batch_id > ? AND processed > 0 AND ${scope.sql} AND ${others.sql} ORDER BY batch_id LIMIT ?`,
    [after, ...scope.parameters, ...others.parameters, limit],
  );
  return rows.map((row) => ({ batchId: row.batch_id, messages: row.processed }));
}
