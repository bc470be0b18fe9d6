export interface Counts {
  readonly total: number;
  readonly pending: number;
  readonly inProgress: number;
  readonly completed: number;
  /** Accepted ones included. */
  readonly failed: number;
  /** Of those failed, the ones that `accept` has settled; of batches, those that hold them. */
  readonly accepted: number;
}

/** Records of one related index in the documents of completed messages. */
export interface RelatedSum {
  /** Messages whose records were counted. */
  readonly messages: number;
  readonly records: number;
  /** Messages without any record. */
  readonly withoutRecords: number;
  /** Of those, messages that lack a field of the join. */
  readonly withoutValue: number;
  /** Completed messages whose records were not counted: completed by an earlier version, or others of their batch were put back. */
  readonly unknown: number;
}

/** By the name of the array. */
export type RelatedSums = Readonly<Record<string, RelatedSum>>;

export interface JobStatus {
  readonly jobId: number;
  readonly from: Date;
  readonly to: Date;
  readonly status: 'running' | 'completed' | 'failed';
  /**
   * `extracting`, `processing`: somebody is at it; `done`: nothing is left to be tried; `stopped`: something is, and nobody is
   * at it.
   */
  readonly state: 'extracting' | 'processing' | 'done' | 'stopped';
  readonly expected: number;
  readonly extracted: number;
  readonly duplicates: number;
  /** Messages of this job. */
  readonly messages: Counts;
  /** Windows that could not be read whole, in order of time. */
  readonly failedWindows: readonly FailedWindow[];
}

export interface FailedWindow {
  /** Counts the job's windows from 1. */
  readonly windowId: number;
  readonly from: Date;
  readonly to: Date;
  /** Why it could not be read whole. */
  readonly detail: string;
  /** Who settled that with `accept`, when and why; null where nobody has. */
  readonly accepted: Acceptance | null;
}

/** A running process, on any host, that asks Elasticsearch for less than its configuration allows. */
export interface ThrottledProcess {
  /** Host and process. */
  readonly owner: string;
  /** Of what the configuration allows, above 0 and below 1. */
  readonly share: number;
  /** Most requests in flight at once. */
  readonly inFlight: number;
  /** Requests a second at most; 0 where the configuration names no limit. */
  readonly requestsPerSecond: number;
  /** What Elasticsearch has too much of, or too little. */
  readonly reason: string;
  readonly since: Date;
  /** How long that is ago, by the database's clock. */
  readonly seconds: number;
}

/** A running process, on any host, that uploads single documents. */
export interface UploadingProcess {
  /** Host and process. */
  readonly owner: string;
  /** Uploads in flight some seconds ago. */
  readonly inFlight: number;
  /** How many may be in flight at present: it follows from how the target answers. */
  readonly allowed: number;
  /** How many may be at most. */
  readonly most: number;
  /** The target's code that made it allow fewer the last time, such as SlowDown; null where it never did. */
  readonly reason: string | null;
}

export interface StatusReport {
  readonly jobs: readonly JobStatus[];
  readonly messages: Counts;
  readonly batches: Counts;
  readonly related: RelatedSums;
  /** Batches and extractions whose lease has run out, or whose process this host knows to be gone. */
  readonly stuck: number;
  readonly throttled: readonly ThrottledProcess[];
  readonly uploading: readonly UploadingProcess[];
  /** Completed over the last minutes; null where nothing was completed lately. */
  readonly messagesPerSecond: number | null;
  /** Null where nothing is left or no rate is known. */
  readonly secondsLeft: number | null;
}

export interface ErrorsReport {
  /** Messages that stand as failed now, by code, most frequent first. */
  readonly byCode: readonly {
    readonly code: string;
    readonly messages: number;
    /** Those of them that are accepted. */
    readonly accepted: number;
    readonly permanent: boolean;
  }[];
  /** Those that are accepted come last. */
  readonly messages: readonly FailedMessage[];
  /** True where there are more than `messages` lists. */
  readonly truncated: boolean;
}

export interface FailedMessage {
  readonly messageId: string;
  readonly index: string;
  readonly jobId: number;
  readonly batchId: number;
  readonly stage: string;
  readonly code: string;
  readonly attempt: number;
  readonly detail: string;
  readonly at: Date;
  /** Who settled this failure with `accept`, when and why; null where nobody has. */
  readonly accepted: Acceptance | null;
}

export interface Acceptance {
  /** User and host. */
  readonly by: string;
  readonly at: Date;
  readonly reason: string;
}
