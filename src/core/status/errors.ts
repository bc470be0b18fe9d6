import type { Connections } from '../connect.js';
import { isPermanent } from '../process/failures.js';
import type { Run } from '../run.js';
import { requireJob } from '../tracking/jobs.js';
import { listFailed } from '../tracking/failures.js';
import { countFailed } from '../tracking/requeue.js';
import { ALL_JOBS, onlyJobs } from '../tracking/scope.js';
import type { ErrorsReport } from './types.js';

/** What stands as failed now: by code, then message by message. */
export async function errors(
  _run: Run,
  { database, settings }: Connections,
  { jobId, limit }: { jobId?: number | undefined; limit: number },
): Promise<ErrorsReport> {
  await requireJob(database, jobId);
  const jobs = jobId === undefined ? ALL_JOBS : onlyJobs([jobId]);
  const everything = { jobs, force: true, maxAttempts: settings.maxAttempts };
  const { eligible } = await countFailed(database, everything);
  const messages = await listFailed(database, { jobId, limit });
  const total = eligible.reduce((sum, { messages: count }) => sum + count, 0);
  return {
    byCode: eligible.map(({ code, messages: count, accepted }) => ({
      code,
      messages: count,
      accepted,
      permanent: isPermanent(code),
    })),
    messages,
    truncated: messages.length < total,
  };
}
