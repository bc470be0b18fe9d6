import type { Connections } from '../connect.js';
import { countBatches } from '../tracking/counters.js';
import { countFailed, requeueFailed } from '../tracking/requeue.js';
import { ALL_JOBS, onlyJobs } from '../tracking/scope.js';
import { measured, unlessStopped, type Run } from '../run.js';
import { requireJob } from '../tracking/jobs.js';
import type { RetryOptions, RetryOutcome } from './types.js';

/**
 * Puts failed messages back to pending: those with attempts left, those of one code, or all. Whatever waits without a message
 * in the queue is sent there.
 */
export async function retry(
  run: Run,
  { database, settings, queue }: Connections,
  { jobId, errorCode, force, dryRun }: RetryOptions,
): Promise<RetryOutcome> {
  await requireJob(database, jobId);
  const jobs = jobId === undefined ? ALL_JOBS : onlyJobs([jobId]);
  const scope = { jobs, errorCode, force, maxAttempts: settings.maxAttempts };
  const { eligible } = await countFailed(database, scope);
  const counted = eligible.reduce((sum, { messages }) => sum + messages, 0);
  const requeued = dryRun
    ? counted
    : await requeueFailed(database, scope, settings.batchSize, run.stop);
  if (!dryRun) {
    if (requeued > 0) measured(run.report, { kind: 'requeued', messages: requeued });
    await unlessStopped(run, () => queue?.outbox.flush(run.stop));
    await unlessStopped(run, () => queue?.outbox.resendLost(run.stop));
  }
  const { messages } = await countBatches(database, jobs);
  return {
    requeued,
    reasons: eligible,
    left: dryRun ? messages.failed - requeued : messages.failed,
    remaining: messages.pending + messages.inProgress,
    completed: messages.completed,
  };
}
