import type { Connections } from '../connect.js';
import type { Run } from '../run.js';
import { requireJob } from '../tracking/jobs.js';
import { countJobs, countStuck, recentRate } from '../tracking/counters.js';
import { joinsOf } from '../joins.js';
import { sumRelated } from '../tracking/related-counts.js';
import { ALL_JOBS, onlyJobs } from '../tracking/scope.js';
import { tokensOfGone } from '../tracking/gone-owners.js';
import { listLimited } from '../tracking/source-limits.js';
import { listUploading } from '../tracking/upload-limits.js';
import type { StatusReport } from './types.js';

/** Where everything stands, of one job or of all, from counters alone: no row of message_tracking is read. */
export async function status(
  run: Run,
  { database, settings }: Connections,
  { jobId }: { jobId?: number | undefined },
): Promise<StatusReport> {
  await requireJob(database, jobId);
  // What a killed process said of itself lasts half a minute longer than it.
  const gone = await tokensOfGone(run, database);
  const [counts, stuck, throttled, uploading, rate] = await Promise.all([
    countJobs(database, jobId),
    countStuck(database, jobId, gone),
    listLimited(database, gone.owners),
    listUploading(database, gone.owners),
    recentRate(database, jobId),
  ]);
  const jobs = jobId === undefined ? ALL_JOBS : onlyJobs([jobId]);
  const { names } = joinsOf(settings.source);
  const related = await sumRelated(database, jobs, names, counts.messages.completed);
  const left = counts.messages.pending + counts.messages.inProgress;
  return {
    ...counts,
    related,
    stuck,
    throttled,
    uploading,
    messagesPerSecond: rate,
    secondsLeft: rate && left > 0 ? Math.ceil(left / rate) : null,
  };
}
