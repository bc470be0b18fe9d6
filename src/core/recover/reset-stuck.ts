import type { Connections } from '../connect.js';
import { unlessStopped, type Run } from '../run.js';
import { endLeasesOfGone, NONE, tokensOfGone } from '../tracking/gone-owners.js';
import { listStuck, resetBatch, resetExtraction } from '../tracking/stuck.js';
import type { ResetStuckOptions, ResetStuckOutcome } from './types.js';

/**
 * Makes batches and extractions whose lease has run out claimable again, or whose process this host knows to be gone. `process`
 * and `extract` take them over by themselves; this is the same by hand. Any other live lease is never touched. Told to stop, it
 * leaves the others as they are.
 */
export async function resetStuck(
  run: Run,
  { database, queue }: Connections,
  { olderThanMs, dryRun }: ResetStuckOptions,
): Promise<ResetStuckOutcome> {
  const seconds = olderThanMs / 1000;
  // Those of processes that are gone end now: none of them ran out any longer ago than that.
  const areGoneMeant = seconds === 0;
  if (dryRun)
    return listStuck(database, seconds, areGoneMeant ? await tokensOfGone(run, database) : NONE);
  if (areGoneMeant) {
    await unlessStopped(run, async () => {
      await endLeasesOfGone(run, database, 'batch_progress');
      await endLeasesOfGone(run, database, 'job_runs');
    });
  }
  const listed = await listStuck(database, seconds, NONE);
  const reached = { count: 0 };
  const keepIf = <T>(items: readonly T[], test: (item: T) => Promise<boolean>) =>
    keptUntil(run.stop, items, (item) => {
      reached.count += 1;
      return test(item);
    });
  // Whatever came back to life since it was listed is left alone, and not reported.
  const reset = {
    batches: await keepIf(listed.batches, ({ batchId }) => resetBatch(database, batchId, seconds)),
    extractions: await keepIf(listed.extractions, ({ jobId }) =>
      resetExtraction(database, jobId, seconds),
    ),
  };
  await unlessStopped(run, () => queue?.outbox.flush(run.stop));
  const listedInAll = listed.batches.length + listed.extractions.length;
  const notReached = listedInAll - reached.count;
  return run.stop.aborted ? { ...reset, notReached } : reset;
}

async function keptUntil<T>(
  stop: AbortSignal,
  items: readonly T[],
  test: (item: T) => Promise<boolean>,
): Promise<T[]> {
  const kept: T[] = [];
  for (const item of items) {
    if (stop.aborted) break;
    if (await test(item)) kept.push(item);
  }
  return kept;
}
