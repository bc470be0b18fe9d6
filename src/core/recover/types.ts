export interface RetryOptions {
  readonly jobId: number | undefined;
  /** Only messages that failed with this code; makes permanent codes eligible, too. */
  readonly errorCode: string | undefined;
  /** Only the message of this id, permanent failure or not, attempts left or not; its attempts stay as they are. */
  readonly messageId?: string | undefined;
  /** Also messages without attempts left and permanent failures. */
  readonly force: boolean;
  /** Nothing but this: completed messages that were made with other joins of related records; their jobs take on these. */
  readonly otherJoins?: boolean | undefined;
  readonly dryRun: boolean;
}

export interface RetryOutcome {
  /** Messages put back to pending (with `dryRun`: that would be). */
  readonly requeued: number;
  /** Batches that are held by others, and were left alone; only with `otherJoins`. */
  readonly held?: number;
  /** Those of them that were accepted until then. */
  readonly acceptancesEnded: number;
  /** Why they had failed, most frequent first. */
  readonly reasons: readonly { readonly code: string; readonly messages: number }[];
  /** Failed messages that stay failed, and those of them that are accepted. */
  readonly left: number;
  readonly accepted: number;
  /** Messages in scope pending or in progress, afterwards. */
  readonly remaining: number;
  readonly completed: number;
  /** Only where it was stopped before its end: how many failed messages are left as they were. */
  readonly notReached?: number;
}

export interface AcceptOptions {
  readonly jobId: number | undefined;
  /** A window of that job; then neither a code nor an id. */
  readonly windowId: number | undefined;
  /** Messages that failed with this code. */
  readonly errorCode: string | undefined;
  /** The message of this id, in whatever index. */
  readonly messageId: string | undefined;
  /** One line, up to 1,000 characters; required but for a dry run. */
  readonly reason: string | undefined;
  /** Who accepts: user and host. */
  readonly by: string;
  readonly dryRun: boolean;
}

export interface AcceptOutcome {
  /** Messages accepted (with `dryRun`: that would be), by code, most frequent first. */
  readonly byCode: readonly { readonly code: string; readonly messages: number }[];
  /** All of them. */
  readonly accepted: number;
  /** Messages in scope that were accepted before. */
  readonly acceptedBefore: number;
  /** Windows accepted, 0 or 1, and accepted before. */
  readonly windows: number;
  readonly windowsBefore: number;
  /** Failed messages of the job, or of all, afterwards, and those of them that are accepted. */
  readonly failed: number;
  readonly acceptedInAll: number;
  /** Only where it was stopped before its end: how many failed messages are left as they were. */
  readonly notReached?: number;
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
  /** Only where it was stopped before its end: how many batches and extractions are left as they were. */
  readonly notReached?: number;
}
