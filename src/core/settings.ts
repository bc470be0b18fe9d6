/**
 * Everything a run is told, as plain data: already merged from flags, environment and file, checked,
 * with defaults filled in. Core reads nothing else.
 */
export interface Settings {
  readonly source: SourceSettings;
  readonly tracking: TrackingSettings;
  /** Absent for commands that write no objects. */
  readonly target?: TargetSettings;
  /** Where the first job starts when no `--from` is given: a bare date or an instant, as written. */
  readonly startDate?: string;
  /** How far behind now an open end stays, in milliseconds. */
  readonly settleMs: number;
  /** Messages per batch, 1 to 10,000. */
  readonly batchSize: number;
  /** Batches in flight per process, 1 or more. */
  readonly concurrency: number;
  /** How often one message may fail before it stays failed. */
  readonly maxAttempts: number;
  /** How long a claim lasts without a heartbeat, in seconds. */
  readonly leaseSeconds: number;
  /** How long one request is retried before its server counts as down, in milliseconds. */
  readonly retryForMs: number;
  readonly limits: LimitSettings;
  /** Absent where batches are handed out by the tracking database alone. */
  readonly queue?: QueueSettings;
  /** How a run is watched from outside; core itself only reports events. */
  readonly monitor?: MonitorSettings;
}

export interface SourceSettings {
  /** One URL per node, without credentials. */
  readonly urls: readonly string[];
  readonly auth?:
    { readonly apiKey: string } | { readonly username: string; readonly password: string };
  /** PEM file with the certificate authority to trust instead of the system's. */
  readonly caFile?: string;
  /** True only where `insecure: true` was written out: certificates are then not checked, and http:// with credentials is allowed. */
  readonly insecure: boolean;
  readonly index: string;
  readonly dateField: string;
  /** Query DSL as JSON text, kept as text because parsing would spoil numbers beyond 2^53. */
  readonly filter?: string;
  /** In the order in which they stand in the document. */
  readonly related: readonly RelatedSettings[];
}

/** One related index, or one for each index of messages: its records become the array `name` in each document. */
export interface RelatedSettings {
  readonly name: string;
  /** A name, alias or pattern; or which related index belongs to which index of messages. */
  readonly index: string | readonly IndexPair[];
  /** What a record and its message have in common: all of these fields. One at least. */
  readonly join: readonly JoinSettings[];
  /** The field that orders the records; without it they stand by index and id. */
  readonly sort?: string;
  /** Records that belong to no message are no reason to refuse the job, nor is a paired index that does not exist. */
  readonly optional: boolean;
  /** Whether the join is tried on a sample before anything is stored. */
  readonly probe: boolean;
}

/** A record belongs to a message if it has a value in `key` that the message has in `on`. */
export interface JoinSettings {
  /** A keyword field of the records. */
  readonly key: string;
  /** A keyword field of the messages; `_id` or `_index`. */
  readonly on: string;
}

/** Messages of the index `messages` matches as a whole have their records in the index `related` stands for. */
export interface IndexPair {
  /** A regular expression. */
  readonly messages: string;
  /** `$1` to `$9` and `$<name>` stand for what the groups of `messages` matched; `$$` for a dollar sign. */
  readonly related: string;
}

export interface TrackingTls {
  readonly caFile?: string;
  /** False: whom the certificate names is not compared with the host. Only with a `caFile`, which then says whose it is. */
  readonly verifyName?: boolean;
  readonly insecure: boolean;
}

export interface TrackingSettings {
  readonly host: string;
  readonly port: number;
  /** Unix socket; wins over host and port. */
  readonly socketPath?: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /**
   * Where it is left out: TLS with a certificate that is checked, unless the server is on this machine (a socket, 127/8,
   * ::1, localhost), where there is no TLS. `off`: none anywhere.
   */
  readonly tls?: 'off' | TrackingTls;
}

export type Layout = 'message' | 'batch';

export type TargetSettings = S3TargetSettings | FileTargetSettings;

interface TargetBase {
  readonly layout: Layout;
}

export interface S3TargetSettings extends TargetBase {
  readonly kind: 's3';
  readonly bucket: string;
  /** Without leading or trailing slash; '' for the bucket's root. */
  readonly prefix: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly forcePathStyle: boolean;
  readonly caFile?: string;
  readonly insecure: boolean;
  /** The bucket's requests are paid by us, not by its owner. */
  readonly requesterPays?: boolean;
  /** The AWS account the bucket has to belong to: S3 refuses each request where it doesn't. */
  readonly bucketOwner?: string;
  readonly encryption?:
    { readonly type: 'sse-s3' } | { readonly type: 'sse-kms'; readonly keyId?: string };
}

export interface FileTargetSettings extends TargetBase {
  readonly kind: 'file';
  /** Absolute path of the directory that stands for the prefix. */
  readonly directory: string;
  /** Permissions of its files, 0o600 unless said; directories that are made may be entered by everyone who may read files. */
  readonly mode?: number;
}

/** Everything is off unless it is named. */
export interface MonitorSettings {
  /** Metrics are sent to CloudWatch, under this namespace. */
  readonly metricsNamespace?: string;
  /** Log lines are sent to this log group of CloudWatch Logs. */
  readonly logGroup?: string;
  /** Alerts are published to this SNS topic; its ARN. */
  readonly alertTopic?: string;
  /** Share of the messages that may fail before that, 0 to 1. */
  readonly alertFailureRate: number;
  /** Of CloudWatch; the AWS SDK's own chain where it is not given. */
  readonly region?: string;
  /** As that of {@link SourceSettings}. */
  readonly insecure?: boolean;
}

export interface QueueSettings {
  /** As SQS names it: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME. */
  readonly url: string;
  /** Else the one that the URL names, else the SDK's own chain. */
  readonly region?: string;
  /** As that of {@link SourceSettings}. */
  readonly insecure?: boolean;
}

export interface LimitSettings {
  /** Requests to Elasticsearch a second, by this process; 0 = unlimited. */
  readonly sourceRequestsPerSecond: number;
  /**
   * Requests of this process that Elasticsearch works on at once, on average over time: 0.2 is one request for a fifth of
   * the time; 0 = unlimited.
   */
  readonly sourceLoad: number;
  /** Answers of Elasticsearch that take longer are slow, in milliseconds: less is asked then; 0 = none is. */
  readonly sourceLatencyTargetMs: number;
  /** Most uploads to the target in flight at once, by this process; 0 = unlimited. */
  readonly uploads: number;
  /** Bytes of documents held in memory at once, by this process; 0 = unlimited. */
  readonly maxInFlightBytes: number;
}
