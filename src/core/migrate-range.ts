import type { Connections } from './connect.js';
import { extract } from './extract/extract.js';
import type { ExtractOptions, ExtractOutcome } from './extract/types.js';
import { processBatches } from './process/process.js';
import type { Carry, ProcessOptions, ProcessOutcome } from './process/types.js';
import { sleep } from './retry.js';
import type { Run } from './run.js';
import { countFailed } from './tracking/requeue.js';
import { workingSet } from './tracking/scope.js';
import type { VerifyOptions, VerifyOutcome } from './verify/types.js';
import { verify } from './verify/verify.js';

/** Before failed messages are tried again: 2 s, then twice as long each time. */
const FIRST_PAUSE_MS = 2_000;

export type RangeOutcome =
  | {
      readonly kind: 'done';
      readonly extract: ExtractOutcome;
      readonly process: ProcessOutcome;
      /** Undefined where messages remain, here or with others: there is nothing to prove yet. */
      readonly verify: VerifyOutcome | undefined;
    }
  /** Nothing was processed: the extraction is held elsewhere, was stopped, or only looked (`dryRun`). */
  | { readonly kind: 'not-extracted'; readonly extract: ExtractOutcome };

export interface RangeOptions {
  readonly extract: ExtractOptions;
  readonly process: ProcessOptions;
  readonly verify: VerifyOptions;
}

/**
 * The whole one-off: extract, process until nothing is left that has attempts left, then verify.
 *
 * @param carry who carries the batches; this process, unless said
 */
export async function migrateRange(
  run: Run,
  on: Connections,
  options: RangeOptions,
  carry?: Carry,
): Promise<RangeOutcome> {
  const extracted = await extract(run, on, options.extract);
  if (extracted.kind !== 'done' && extracted.kind !== 'nothing-new')
    return { kind: 'not-extracted', extract: extracted };
  const startedAt = run.clock.now();
  let total = await processBatches(run, on, options.process, carry);
  for (let round = 0; total.ended === 'nothing-left'; round += 1) {
    if (!(await hasAttemptsLeft(on, options.process))) break;
    // What made them fail may pass: the rounds come at growing distances.
    await sleep(FIRST_PAUSE_MS * 2 ** round, run.stop).catch(() => undefined);
    const left = timeLeft(options.process, run.clock.now() - startedAt);
    const next = await processBatches(run, on, { ...options.process, ...left }, carry);
    total = {
      ...next,
      completed: total.completed + next.completed,
      // Those put back had been counted as failed: each message counts once.
      failed: total.failed - Math.min(total.failed, next.requeued) + next.failed,
      requeued: total.requeued + next.requeued,
      lost: total.lost + next.lost,
    };
  }
  const isOver = total.ended === 'nothing-left' && total.remaining + total.heldByOthers === 0;
  const verified = isOver ? await verify(run, on, options.verify) : undefined;
  return { kind: 'done', extract: extracted, process: total, verify: verified };
}

function timeLeft({ maxRuntimeMs }: ProcessOptions, spentMs: number): Partial<ProcessOptions> {
  return maxRuntimeMs === undefined ? {} : { maxRuntimeMs: Math.max(0, maxRuntimeMs - spentMs) };
}

/** Whether `process` would put failed messages back; each round costs them an attempt, so the rounds end. */
async function hasAttemptsLeft(
  { database, settings }: Connections,
  { retryFailed }: ProcessOptions,
): Promise<boolean> {
  if (!retryFailed) return false;
  const jobs = await workingSet(database, settings.source.index, undefined);
  const scope = { jobs, force: false, maxAttempts: settings.maxAttempts };
  return (await countFailed(database, scope)).eligible.length > 0;
}
