import type { Connections } from './connect.js';
import { extract } from './extract/extract.js';
import type { ExtractOptions, ExtractOutcome } from './extract/types.js';
import { processBatches } from './process/process.js';
import type { ProcessOptions, ProcessOutcome } from './process/types.js';
import type { Run } from './run.js';
import { countFailed } from './tracking/requeue.js';

export type RangeOutcome =
  | { readonly kind: 'done'; readonly extract: ExtractOutcome; readonly process: ProcessOutcome }
  /** Nothing was processed: the extraction is held elsewhere, was stopped, or only looked (`dryRun`). */
  | { readonly kind: 'not-extracted'; readonly extract: ExtractOutcome };

/** The whole one-off: extract, then process until nothing is left that has attempts left. */
export async function migrateRange(
  run: Run,
  on: Connections,
  options: { readonly extract: ExtractOptions; readonly process: ProcessOptions },
): Promise<RangeOutcome> {
  const extracted = await extract(run, on, options.extract);
  if (extracted.kind !== 'done' && extracted.kind !== 'nothing-new')
    return { kind: 'not-extracted', extract: extracted };
  let total = await processBatches(run, on, options.process);
  while (total.ended === 'nothing-left' && (await hasAttemptsLeft(on, options.process))) {
    const round = await processBatches(run, on, options.process);
    total = {
      ...round,
      completed: total.completed + round.completed,
      failed: total.failed + round.failed,
      requeued: total.requeued + round.requeued,
    };
  }
  return { kind: 'done', extract: extracted, process: total };
}

/** Whether `process` would put failed messages back; each round costs them an attempt, so the rounds end. */
async function hasAttemptsLeft(
  { database, settings }: Connections,
  { retryFailed }: ProcessOptions,
): Promise<boolean> {
  if (!retryFailed) return false;
  const scope = { force: false, maxAttempts: settings.maxAttempts };
  return (await countFailed(database, scope)).eligible.length > 0;
}
