import type { ProcessState } from '../core/run.js';
import type { ProcessOptions, ProcessOutcome } from '../core/process/types.js';
import { usage } from '../core/errors.js';
import type { Settings } from '../core/settings.js';
import { ABOUT_FAILED, done, EXIT, type Verdict } from './exit-codes.js';
import { counted, grouped } from '../core/words.js';
import type { HealthAddress } from '../monitor/health.js';
import { relatedLines } from './related-report.js';
import type { Processes } from './workers/count.js';

/** Flags of the commands that process. */
export interface ProcessFlags {
  /** Configuration; as given. */
  readonly concurrency?: string;
  readonly processes?: Processes;
  readonly maxBatches?: number;
  /** Milliseconds. */
  readonly maxRuntime?: number;
  readonly watch?: boolean;
  /** Batches come from the queue. */
  readonly queue?: boolean;
  readonly retryFailed: boolean;
  /** Where health and metrics are told. */
  readonly healthPort?: HealthAddress;
}

/** Those of `process` alone. */
export interface ProcessOnlyFlags extends ProcessFlags {
  /** Only this job. */
  readonly job?: number | 'last';
}

/** @throws MigrateError `usage` where flags don't go together */
export function processOnlyOptions(flags: ProcessOnlyFlags, settings: Settings): ProcessOptions {
  if (flags.queue && flags.job !== undefined) {
    throw usage(
      '--job does not go with --queue: the messages of the queue say which batches are processed',
      'Leave one of them out.',
    );
  }
  return processOptions(flags, settings);
}

export function processOptions(flags: ProcessFlags, { concurrency }: Settings): ProcessOptions {
  const { maxBatches, maxRuntime: maxRuntimeMs, watch = false, queue, retryFailed } = flags;
  return { concurrency, maxBatches, maxRuntimeMs, watch, retryFailed, fromQueue: queue };
}

export function processJson(outcome: ProcessOutcome): object {
  const { completed, failed, requeued, remaining, related } = outcome;
  return { completed, failed, requeued, remaining, related };
}

export function processLines({
  completed,
  failed,
  requeued,
  remaining,
  related,
  ended,
}: ProcessOutcome): string[] {
  const why = {
    'nothing-left': '',
    'max-batches': ' (--max-batches)',
    'max-runtime': ' (--max-runtime)',
    stopped: '',
  };
  const rest =
    remaining === 0
      ? 'nothing remains'
      : `${counted(remaining, 'message')} ${remaining === 1 ? 'remains' : 'remain'}`;
  return [
    `${grouped(completed)} completed, ${grouped(failed)} failed, ${grouped(requeued)} requeued; ${rest}${why[ended]}`,
    ...relatedLines(related),
  ];
}

/** What is known of a process that holds batches. */
const WHERE: Readonly<Record<ProcessState, string>> = {
  alive: ', which runs,',
  gone: '',
  elsewhere: ', on another host or in another container,',
  unknown: '',
};

/** A process that was killed holds its batches until its lease runs out: whoever waits is told how long. */
function holderWords({ holder, heldByOthers }: ProcessOutcome, fromQueue: boolean): string {
  if (fromQueue && heldByOthers === 0)
    return 'nobody holds them, and the queue has no message for them now: it comes with a delay, or is lost and sent anew 20 minutes after it was sent; "es-migrate process" without --queue carries them at once';
  const how = '; "es-migrate status" tells how far they are';
  if (!holder) return `others are at work${how}`;
  const until = holder.until.toISOString().slice(0, 19);
  const { owner, state } = holder;
  const again = state === 'alive' ? '' : '; if it is dead, run this again then';
  return `others are at work: ${owner}${WHERE[state]} holds batches until ${until}Z at least${again}${how}`;
}

export function processVerdict(
  outcome: ProcessOutcome,
  stopCode: number,
  fromQueue = false,
): Verdict {
  const { ended, failedInAll, failedWindows, remaining, leftBehind, atOdds, heldByOthers, lost } =
    outcome;
  const { outdated } = outcome;
  if (ended === 'stopped') {
    return {
      code: stopCode,
      next: 'what was in flight is finished or released; "es-migrate process" goes on from there',
    };
  }
  if (failedInAll > 0) {
    const failed = `${counted(failedInAll, 'message')} ${failedInAll === 1 ? 'is' : 'are'} failed`;
    return {
      code: EXIT.leftOver,
      next: `${failed}; ${ABOUT_FAILED}`,
    };
  }
  if (failedWindows > 0) {
    const windows = `${counted(failedWindows, 'window')} could not be read whole`;
    return {
      code: EXIT.leftOver,
      next: `${windows}; "es-migrate extract" reads what was not read to the end`,
    };
  }
  if (leftBehind > 0) {
    const behind = `${counted(leftBehind, 'message')} of closed batches ${leftBehind === 1 ? 'is' : 'are'} unfinished`;
    return { code: EXIT.leftOver, next: `${behind}; "es-migrate verify --repair" puts them back` };
  }
  if (atOdds > 0) {
    const batches = `${counted(atOdds, 'batch')} ${atOdds === 1 ? 'is' : 'are'} left as ${atOdds === 1 ? 'it is' : 'they are'}, since counters and rows contradict each other`;
    return {
      code: EXIT.leftOver,
      next: `${batches}; "es-migrate verify --level counts --repair" puts that right`,
    };
  }
  if (outdated > 0) {
    const made = `${counted(outdated, 'message')} ${outdated === 1 ? 'was' : 'were'} completed with other joins of related records than ${outdated === 1 ? 'its' : 'their'} job has now`;
    return { code: EXIT.leftOver, next: `${made}: es-migrate retry --other-joins puts them back` };
  }
  if (lost > 0 && heldByOthers > 0) {
    return {
      code: EXIT.busy,
      next: `${counted(lost, 'worker')} died with batches in hand: run it again once their leases have run out`,
    };
  }
  if (ended === 'nothing-left' && (remaining > 0 || heldByOthers > 0)) {
    return {
      code: EXIT.busy,
      next: holderWords(outcome, fromQueue),
    };
  }
  return done;
}
