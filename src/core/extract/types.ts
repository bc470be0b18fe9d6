import type { JoinProbe } from '../elasticsearch/probe/types.js';

/** A half-open interval of time, `from` inclusive, `to` exclusive, in milliseconds since the epoch, UTC. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export interface ExtractOptions {
  /** Resolved `--from`; undefined: the last completed job's `next_run_date`, else `startDate`. */
  readonly from: number | undefined;
  /** Resolved `--to`; undefined: now − settle. */
  readonly to: number | undefined;
  /** Resolved `startDate` of the configuration. */
  readonly startDate: number | undefined;
  /** Parallel readers of one window, 1 or more. */
  readonly slices: number;
  /** Count and show, write nothing. */
  readonly dryRun: boolean;
  /** Also messages that are tracked already under the name of an index that was replaced: each is then tracked twice. */
  readonly allowReplaced?: boolean;
}

export interface ExtractedJob {
  readonly jobId: number;
  readonly interval: Interval;
  readonly status: 'running' | 'completed' | 'failed';
  /** What Elasticsearch counted in the interval. */
  readonly expected: number;
  /** Messages this invocation added. */
  readonly extracted: number;
  /** Messages another job had already. */
  readonly duplicates: number;
  /** Batches this invocation added. */
  readonly batches: number;
  /** True where an earlier invocation had begun this job. */
  readonly resumed: boolean;
  /** Windows that could not be read whole, with the reason. */
  readonly failedWindows: readonly { readonly interval: Interval; readonly reason: string }[];
}

export type ExtractOutcome = ExtractEnd & {
  /** Documents without a usable date, which lie in no range; undefined where they were not counted. */
  readonly undated?: number | undefined;
  /** Where there are no messages in the range that was asked for. */
  readonly noMessages?: NoMessages | undefined;
};

export interface NoMessages {
  /** Between which instants the values of the date field lie over the index, both inclusive; undefined where there are none. */
  readonly dates: { readonly first: number; readonly last: number } | undefined;
}

type ExtractEnd =
  | { readonly kind: 'done'; readonly jobs: readonly ExtractedJob[] }
  /** Nothing lies between the last job's end and now − settle. */
  | { readonly kind: 'nothing-new'; readonly interval: Interval }
  | {
      readonly kind: 'dry-run';
      readonly interval: Interval;
      readonly expected: number;
      /** What the joins of related records gave a sample of the messages. */
      readonly related: readonly JoinProbe[];
    }
  /** The same job is being extracted elsewhere. */
  | {
      readonly kind: 'busy';
      readonly jobId: number;
      readonly owner: string;
      readonly leaseExpiresAt: Date;
    }
  /** Stopped by the run's signal; what was read is kept, the job is unfinished. */
  | { readonly kind: 'stopped'; readonly jobs: readonly ExtractedJob[] };
