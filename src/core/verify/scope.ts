import type { Connections } from '../connect.js';
import { jobIntervals } from '../tracking/completed.js';
import { workingSet } from '../tracking/scope.js';

/** A job that is verified, and its half-open interval. */
export interface VerifiedJob {
  readonly jobId: number;
  readonly from: Date;
  readonly to: Date;
}

/** What a verification is about, in the order of the jobs' dates: all jobs over the configured index, or some of them. */
export async function verifiedJobs(
  { database, settings }: Connections,
  jobs: readonly number[] | undefined,
): Promise<readonly VerifiedJob[]> {
  return jobIntervals(database, await workingSet(database, settings.source.index, jobs));
}
