import type { SourceLimit } from './elasticsearch/limiter.js';
import type { Server } from './fault.js';

/** What a run says about itself. Bars, log lines, metrics and tests are listeners. */
export type RunEvent = LogEvent | ProgressEvent | LimitEvent | MeasuredEvent;

export interface LogEvent {
  readonly type: 'log';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  /** Details for machines; never a secret, never a document. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

/** Where a stage stands. Sent often (once a page or batch); a listener decides how often to show it. */
export interface ProgressEvent {
  readonly type: 'progress';
  readonly stage: 'extract' | 'process' | 'verify';
  /** Messages done, in this stage and this run. */
  readonly done: number;
  /** Messages expected; may grow while the stage runs. */
  readonly total: number;
  /** Messages that failed, of those done. */
  readonly failed: number;
  /** Uploads in flight just now; undefined in stages that upload nothing. */
  readonly uploads?: number;
}

/** Elasticsearch is asked for less than the configuration allows, since it has too much to do; or no longer is. */
export interface LimitEvent {
  readonly type: 'limit';
  /** Undefined: everything the configuration allows is asked for again. */
  readonly limit: ImposedLimit | undefined;
}

export interface ImposedLimit extends SourceLimit {
  /** Requests a second at most; 0 where the configuration names no limit. */
  readonly requestsPerSecond: number;
  /** When the first request was refused, or answers turned slow: milliseconds since the epoch, by this host's clock. */
  readonly since: number;
}

/** Something has ended or been counted: for metrics, alerts, and whoever asks whether this process still does anything. */
export interface MeasuredEvent {
  readonly type: 'measured';
  readonly measure: Measure;
}

export type Measure =
  /** Messages whose ids were read, and stored where they were not yet. */
  | { readonly kind: 'extracted'; readonly messages: number }
  /** A window could not be read whole. */
  | { readonly kind: 'window-failed' }
  /** A batch was completed. */
  | {
      readonly kind: 'batch';
      readonly ms: number;
      readonly completed: number;
      /** Messages that failed, by code. */
      readonly failed: Readonly<Record<string, number>>;
      /** Bytes of its objects. */
      readonly bytes: number;
    }
  /** A batch was given up: so many of its messages failed with this code. */
  | { readonly kind: 'given-up'; readonly messages: number; readonly code: string }
  /** A batch was given back. */
  | { readonly kind: 'returned' }
  /** Failed messages were put back to pending. */
  | { readonly kind: 'requeued'; readonly messages: number }
  /** Elasticsearch answered so many milliseconds after it was asked. */
  | { readonly kind: 'answer'; readonly ms: number }
  /** Elasticsearch refused a request, since it has too much to do. */
  | { readonly kind: 'refused' }
  /** A request failed. */
  | { readonly kind: 'fault'; readonly server: Server }
  /** A run that waits for work has looked for some, and found none. */
  | { readonly kind: 'idle' };

export type Report = (event: RunEvent) => void;

/** Reports a measure. */
export function measured(report: Report, measure: Measure): void {
  report({ type: 'measured', measure });
}

/** Time as core sees it, injected so that tests need not wait. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

/** What every operation of core is handed besides its connections and its options. */
export interface Run {
  /** Aborted when the run is to stop: work in flight is finished or released, nothing new is begun. */
  readonly stop: AbortSignal;
  readonly report: Report;
  readonly clock: Clock;
  readonly host: Host;
}

/** The process this runs in, which core does not ask for itself. */
export interface Host {
  readonly hostname: string;
  readonly pid: number;
  /** The effective user id; undefined where the platform has none. */
  readonly uid: number | undefined;
  /** Where staging directories are made. */
  readonly temporaryDirectory: string;
  /** Whether a process of this id runs on this host. */
  readonly isAlive: (pid: number) => boolean;
  /** Names this process and no other, ever, in ASCII, up to 150 characters; undefined: the host cannot tell. */
  readonly identity: string | undefined;
  /** What can be told of the process of such an identity. */
  readonly stateOf: (identity: string) => ProcessState;
}

/** `elsewhere`: on another host, or in a container that we cannot look into; `unknown`: anything else that cannot be told. */
export type ProcessState = 'alive' | 'gone' | 'elsewhere' | 'unknown';

/** Who holds a lease, for people: host and process. */
export function ownerOf({ hostname, pid }: Host): string {
  return `${hostname}:${pid}`;
}

/** The same with what the host knows of the process: see `lease_process`. */
export function leaseOwner(host: Host): LeaseOwner {
  return { name: ownerOf(host), identity: host.identity };
}

/** Who takes a lease. */
export interface LeaseOwner {
  /** For people: host and process. */
  readonly name: string;
  /** See {@link Host}. */
  readonly identity: string | undefined;
}

/** Does what can wait for the next run, unless this one is to stop; what is cut off by that is no error. */
export async function unlessStopped(
  { stop }: Pick<Run, 'stop'>,
  work: () => Promise<unknown> | undefined,
): Promise<void> {
  const isStopped = () => stop.aborted;
  if (isStopped()) return;
  try {
    await work();
  } catch (error) {
    if (!isStopped()) throw error;
  }
}

export const systemClock: Clock = { now: () => Date.now() };
