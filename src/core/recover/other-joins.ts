import type { Connections } from '../connect.js';
import { tryJoinsOfJobs } from '../extract/try-joins.js';
import { joinsOf, type Joins } from '../joins.js';
import { measured, unlessStopped, type Run } from '../run.js';
import { reached } from '../steps.js';
import { countBatches } from '../tracking/counters.js';
import { batchesWithOtherJoins, databaseNow, heldSince, setJoins } from '../tracking/joins.js';
import { requireOwnJobs, workingSet, type JobSet } from '../tracking/scope.js';
import { putBatchBack } from '../tracking/verify-repair.js';
import type { RetryOptions, RetryOutcome } from './types.js';

/** Batches looked at by one statement. */
const BATCHES_A_STEP = 500;

/**
 * Makes jobs jobs of these joins, and puts all their completed messages that were made with others back to pending. It may be
 * stopped, or killed: the same call goes on, and until then `process` ends with what is left of them (`outdated`).
 *
 * @throws MigrateError `usage` where the job is over another index than the configured one, or the joins do not give its messages
 *   their records
 */
export async function retryOtherJoins(
  run: Run,
  on: Connections,
  { jobId, dryRun }: Pick<RetryOptions, 'jobId' | 'dryRun'>,
): Promise<RetryOutcome> {
  const { database, settings, queue } = on;
  const { index } = settings.source;
  const named = jobId === undefined ? undefined : [jobId];
  await requireOwnJobs(database, index, named, 'Retry');
  const jobs = await workingSet(database, index, named);
  const joins = joinsOf(settings.source);
  // These joins were never tried on these messages.
  await tryJoinsOfJobs(run, on, jobs, 'all');
  const isStopped = () => run.stop.aborted;
  const began = await databaseNow(database);
  // First of all: from now on nothing of them is claimed or completed with the other joins.
  if (!dryRun) await setJoins(database, joins, jobs);
  let [requeued, held, after] = [0, 0, 0];
  while (!isStopped()) {
    const batches = await batchesWithOtherJoins(database, joins, jobs, after, BATCHES_A_STEP);
    const last = batches.at(-1);
    if (!last) break;
    for (const { batchId, messages } of batches) {
      if (isStopped()) break;
      const outcome = dryRun
        ? ({ kind: 'done', messages } as const)
        : await putBatchBack(database, batchId);
      reached('repair-applied');
      if (outcome.kind === 'held') held += 1;
      else requeued += outcome.messages;
    }
    after = last.batchId;
  }
  // Those claimed before may be about to be completed with the other joins.
  if (!dryRun) held += await heldSince(database, jobs, began);
  if (held > 0) {
    const message = `${held} batches are held by others and were left alone: stop who processes them with the other joins, then run the same command again`;
    run.report({ type: 'log', level: 'warn', message });
  }
  if (!dryRun) {
    if (requeued > 0) measured(run.report, { kind: 'requeued', messages: requeued });
    await unlessStopped(run, () => queue?.outbox.flush(run.stop));
  }
  const { messages } = await countBatches(database, jobs);
  return {
    requeued,
    held,
    acceptancesEnded: 0,
    accepted: messages.accepted,
    reasons: requeued > 0 ? [{ code: OTHER_JOINS, messages: requeued }] : [],
    left: messages.failed,
    remaining: messages.pending + messages.inProgress,
    completed: messages.completed,
    ...(isStopped() && { notReached: await countLeft(database, joins, jobs) }),
  };
}

/** Messages that are still to be put back. */
async function countLeft(
  database: Connections['database'],
  joins: Joins,
  jobs: JobSet,
): Promise<number> {
  let [left, after] = [0, 0];
  for (;;) {
    const batches = await batchesWithOtherJoins(database, joins, jobs, after, BATCHES_A_STEP);
    left += batches.reduce((sum, { messages }) => sum + messages, 0);
    const last = batches.at(-1);
    if (!last) return left;
    after = last.batchId;
  }
}

/** In place of a code: these messages had not failed. */
const OTHER_JOINS = 'other-joins';
