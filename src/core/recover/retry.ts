import type { Connections } from '../connect.js';
import { countBatches } from '../tracking/counters.js';
import { requireFailed } from '../tracking/acceptances.js';
import { countFailed, requeue, type FailedOfCode } from '../tracking/requeue.js';
import { ALL_JOBS, onlyJobs } from '../tracking/scope.js';
import { measured, unlessStopped, type Run } from '../run.js';
import { requireJob } from '../tracking/jobs.js';
import { retryOtherJoins } from './other-joins.js';
import type { RetryOptions, RetryOutcome } from './types.js';

/**
 * Puts failed messages back to pending: those with attempts left, those of one code, one by its id, or all. Only where a code,
 * an id or `force` is given, accepted ones are put back, too, which ends their acceptance. Whatever waits without a message in
 * the queue is sent there.
 *
 * @throws MigrateError `usage` where there is no such job, or no failed message of this id
 */
export async function retry(
  run: Run,
  on: Connections,
  { jobId, errorCode, messageId, force, otherJoins, dryRun }: RetryOptions,
): Promise<RetryOutcome> {
  const { database, settings, queue } = on;
  await requireJob(database, jobId);
  if (messageId !== undefined) await requireFailed(database, { jobId, errorCode, messageId });
  const jobs = jobId === undefined ? ALL_JOBS : onlyJobs([jobId]);
  if (otherJoins) return retryOtherJoins(run, on, { jobId, dryRun });
  const scope = { jobs, errorCode, messageId, force, maxAttempts: settings.maxAttempts };
  const { eligible } = await countFailed(database, scope);
  const { requeued, acceptancesEnded } = dryRun
    ? sumOf(eligible)
    : await requeue(database, scope, settings.batchSize, run.stop);
  if (!dryRun) {
    if (requeued > 0) measured(run.report, { kind: 'requeued', messages: requeued });
    await unlessStopped(run, () => queue?.outbox.flush(run.stop));
    await unlessStopped(run, () => queue?.outbox.resendLost(run.stop));
  }
  const { messages } = await countBatches(database, jobs);
  return {
    requeued,
    acceptancesEnded,
    reasons: eligible.map(({ code, messages: count }) => ({ code, messages: count })),
    left: dryRun ? messages.failed - requeued : messages.failed,
    accepted: dryRun ? messages.accepted - acceptancesEnded : messages.accepted,
    remaining: messages.pending + messages.inProgress,
    completed: messages.completed,
    ...(run.stop.aborted && { notReached: Math.max(0, sumOf(eligible).requeued - requeued) }),
  };
}

function sumOf(eligible: readonly FailedOfCode[]): { requeued: number; acceptancesEnded: number } {
  const sum = (count: (one: FailedOfCode) => number) =>
    eligible.reduce((total, one) => total + count(one), 0);
  return {
    requeued: sum(({ messages }) => messages),
    acceptancesEnded: sum(({ accepted }) => accepted),
  };
}
