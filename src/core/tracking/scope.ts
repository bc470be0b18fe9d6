import { usage } from '../errors.js';
import type { Database, Parameter } from './database.js';

/** A set of jobs, as plain data: worker processes are sent it, too. */
export interface JobSet {
  /** `only`: these jobs; `except`: all but these, also those that are made later. */
  readonly kind: 'only' | 'except';
  readonly jobs: readonly number[];
}

export const ALL_JOBS: JobSet = { kind: 'except', jobs: [] };

export function onlyJobs(jobs: readonly number[]): JobSet {
  return { kind: 'only', jobs };
}

/** The condition on a column that holds a job's number. */
export function inScope(
  { kind, jobs }: JobSet,
  column: string,
): { sql: string; parameters: readonly Parameter[] } {
  // No job has the number 0, and an empty list is no SQL.
  return { sql: `${column} ${kind === 'only' ? 'IN' : 'NOT IN'} (?)`, parameters: [[0, ...jobs]] };
}

/** The same for one number. */
export function isInScope({ kind, jobs }: JobSet, job: number): boolean {
  return jobs.includes(job) === (kind === 'only');
}

/**
 * The jobs that a command works on: those that are named, else all over the configured index. Messages of jobs over another
 * index belong with the related records of their own configuration, so they are left alone.
 *
 * @param leftAlone jobs that are left alone, too
 */
export async function workingSet(
  database: Database,
  index: string,
  jobs: readonly number[] | undefined,
  leftAlone: readonly number[] = [],
): Promise<JobSet> {
  if (jobs) return onlyJobs(jobs.filter((job) => !leftAlone.includes(job)));
  return { kind: 'except', jobs: [...(await foreignJobs(database, index)), ...leftAlone] };
}

/** Jobs over another index than this one. */
export async function foreignJobs(database: Database, index: string): Promise<number[]> {
  const rows = await database.rows<{ job_id: number }>(
    'SELECT job_id FROM job_runs WHERE source_index <> ?',
    [index],
  );
  return rows.map(({ job_id }) => job_id);
}

/**
 * Makes sure that there are these jobs, and that they are over this index.
 *
 * @param verb what is about to be done with them, as in `verify`
 * @throws MigrateError `usage`
 */
export async function requireOwnJobs(
  database: Database,
  index: string,
  jobs: readonly number[] | undefined,
  verb: string,
): Promise<void> {
  if (!jobs || jobs.length === 0) return;
  const rows = await database.rows<{ job_id: number; source_index: string }>(
    'SELECT job_id, source_index FROM job_runs WHERE job_id IN (?)',
    [jobs],
  );
  const found = new Map(rows.map((row) => [row.job_id, row.source_index]));
  for (const job of jobs) {
    const over = found.get(job);
    if (over === undefined)
      throw usage(`there is no job ${job}`, '"es-migrate status" lists them.');
    if (over !== index) {
      throw usage(
        `job ${job} is over another index than ${index}`,
        `${verb} it with the configuration it was extracted with.`,
      );
    }
  }
}
