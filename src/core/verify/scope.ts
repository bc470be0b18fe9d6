import type { Connections } from '../connect.js';
import { jobIntervals } from '../tracking/completed.js';
import { foreignJobs } from '../tracking/jobs.js';

/** A job that is verified, and its half-open interval. */
export interface VerifiedJob {
  readonly jobId: number;
  readonly from: Date;
  readonly to: Date;
}

/** What a verification is about, in the order of the jobs' dates: all jobs over the configured index, or one of them. */
export async function verifiedJobs(
  { database, settings }: Connections,
  jobId: number | undefined,
): Promise<readonly VerifiedJob[]> {
  const exceptJobs = await foreignJobs(database, settings.source.index);
  return jobIntervals(database, { jobId, exceptJobs });
}
