import type { Connections } from '../connect.js';
import type { RelatedSums } from '../status/types.js';
import type { ProcessState, Run } from '../run.js';

export interface ProcessOptions {
  /** Only these jobs, which are over the configured index; undefined: all over that index. */
  readonly jobs?: readonly number[] | undefined;
  /** Jobs that are left alone: `processBatches` finds them. */
  readonly leftAlone?: readonly number[] | undefined;
  /** Batches in flight, 1 or more. */
  readonly concurrency: number;
  /** Stop after this many batches. */
  readonly maxBatches: number | undefined;
  /** Claim nothing new after this many milliseconds. */
  readonly maxRuntimeMs: number | undefined;
  /** Wait for work instead of ending when none is left. */
  readonly watch: boolean;
  /** Take the batches that messages of the queue name, instead of any; `connect` has to be asked for it. */
  readonly fromQueue?: boolean | undefined;
  /** Requeue failed messages that have attempts left, at the start and, with `watch`, every few minutes. */
  readonly retryFailed: boolean;
}

export interface ProcessOutcome {
  /** Messages this run completed. */
  readonly completed: number;
  /** Messages this run saw fail. */
  readonly failed: number;
  /** Failed messages this run put back to pending. */
  readonly requeued: number;
  /** Records in the documents of completed messages, of the jobs in scope, else of all. */
  readonly related: RelatedSums;
  /** Completed messages of the jobs in scope, else of all, that were made with other joins than their job is of. */
  readonly outdated: number;
  /** Messages still pending or in progress, of the jobs in scope (`jobs`), else of all over this index. */
  readonly remaining: number;
  /** Of those, in batches that are closed: their counters contradict each other. */
  readonly leftBehind: number;
  /** Batches without a holder that cannot be claimed, since their counters and their rows contradict each other; 0 unless nothing else is left. */
  readonly atOdds: number;
  /** Messages that stand as failed now, of the jobs in scope, else of all. */
  readonly failedInAll: number;
  /** Batches and extractions of the jobs in scope, else of all, that others hold under a live lease. */
  readonly heldByOthers: number;
  /** Who holds batches longest, and until when unless that is renewed; undefined where nobody does. */
  readonly holder: BatchHolder | undefined;
  /** Windows of the jobs in scope, else of all, that could not be read whole. */
  readonly failedWindows: number;
  /** Why it ended. */
  readonly ended: 'nothing-left' | 'max-batches' | 'max-runtime' | 'stopped';
  /** Worker processes that died; what they held, the others or the next run take over. */
  readonly lost: number;
}

export interface BatchHolder {
  /** Host and process. */
  readonly owner: string;
  readonly until: Date;
  /** Whether that process is at work, as far as this host can tell. */
  readonly state: ProcessState;
}

export interface CarryOptions extends Omit<ProcessOptions, 'retryFailed'> {
  /** Messages that wait to be carried, for the progress. */
  readonly expected: number;
}

/** What came of carrying batches: see `ProcessOutcome`. */
export interface Carried extends Pick<ProcessOutcome, 'completed' | 'failed' | 'ended' | 'lost'> {
  /** Thrown, where all processes died, unless others can take over what they held. */
  readonly allDied?: Error | undefined;
}

/**
 * Claims batches until there are none or it is to stop, and carries each to the target: in this process, or in
 * several. Whatever ends it, nothing stays claimed.
 *
 * @param requeue to be called every few seconds while it waits for work: puts failed messages back where that is due
 */
export type Carry = (
  run: Run,
  on: Connections,
  options: CarryOptions,
  requeue: () => Promise<void>,
) => Promise<Carried>;
