export interface RetryOptions {
  readonly jobId: number | undefined;
  /** Only messages that failed with this code; makes permanent codes eligible, too. */
  readonly errorCode: string | undefined;
  /** Also messages without attempts left and permanent failures. */
  readonly force: boolean;
  readonly dryRun: boolean;
}

export interface RetryOutcome {
  /** Messages put back to pending (with `dryRun`: that would be). */
  readonly requeued: number;
  /** Why they had failed, most frequent first. */
  readonly reasons: readonly { readonly code: string; readonly messages: number }[];
  /** Failed messages that stay failed. */
  readonly left: number;
  /** Messages in scope pending or in progress, afterwards. */
  readonly remaining: number;
  readonly completed: number;
}

export interface ResetStuckOptions {
  /** Only leases that ran out at least this long ago, in milliseconds. */
  readonly olderThanMs: number;
  readonly dryRun: boolean;
}

export interface ResetStuckOutcome {
  readonly batches: readonly {
    readonly batchId: number;
    readonly jobId: number;
    readonly messages: number;
    readonly owner: string;
    readonly expiredAt: Date;
  }[];
  readonly extractions: readonly {
    readonly jobId: number;
    readonly owner: string;
    readonly expiredAt: Date;
  }[];
}
