import type { Parameter } from './database.js';

/** The jobs a verification looks at: one, or all but those over other indices. */
export interface VerifyScope {
  readonly jobId: number | undefined;
  readonly exceptJobs: readonly number[];
}

/** The condition on a column that holds a job's number. */
export function inScope(
  { jobId, exceptJobs }: VerifyScope,
  column: string,
): { sql: string; parameters: readonly Parameter[] } {
  return jobId === undefined
    ? { sql: `${column} NOT IN (?)`, parameters: [[0, ...exceptJobs]] }
    : { sql: `${column} = ?`, parameters: [jobId] };
}

/** The same for one number. */
export function isInScope({ jobId, exceptJobs }: VerifyScope, job: number): boolean {
  return jobId === undefined ? !exceptJobs.includes(job) : job === jobId;
}
