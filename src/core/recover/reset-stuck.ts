import type { Connections } from '../connect.js';
import { unlessStopped, type Run } from '../run.js';
import { listStuck, resetBatch, resetExtraction } from '../tracking/stuck.js';
import type { ResetStuckOptions, ResetStuckOutcome } from './types.js';

/**
 * Makes batches and extractions whose lease has run out claimable again. `process` and `extract` take them over
 * by themselves; this is the same by hand. A live lease is never touched. Told to stop, it leaves the others as they are.
 */
export async function resetStuck(
  run: Run,
  { database, queue }: Connections,
  { olderThanMs, dryRun }: ResetStuckOptions,
): Promise<ResetStuckOutcome> {
  const seconds = olderThanMs / 1000;
  const listed = await listStuck(database, seconds);
  if (dryRun) return listed;
  const keepIf = <T>(items: readonly T[], test: (item: T) => Promise<boolean>) =>
    keptUntil(run.stop, items, test);
  // Whatever came back to life since it was listed is left alone, and not reported.
  const reset = {
    batches: await keepIf(listed.batches, ({ batchId }) => resetBatch(database, batchId, seconds)),
    extractions: await keepIf(listed.extractions, ({ jobId }) =>
      resetExtraction(database, jobId, seconds),
    ),
  };
  await unlessStopped(run, () => queue?.outbox.flush(run.stop));
  return reset;
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
