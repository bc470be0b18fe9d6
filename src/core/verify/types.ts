import type { Interval } from '../extract/types.js';
import type { VerifiedRelated } from './related-outcome.js';

export type VerifyLevel = 'counts' | 'objects' | 'content';

export interface VerifyOptions {
  /** Each level includes those before it. */
  readonly level: VerifyLevel;
  /** Share of the batches whose content is compared, above 0 to 1; at least one batch. */
  readonly sample: number;
  /** Only these jobs, which are over the configured index; undefined: all over that index. */
  readonly jobs: readonly number[] | undefined;
  /** Begin anew where an earlier verification stopped half-way. */
  readonly restart: boolean;
  /** Put what is missing or damaged back to pending, and remove our own orphans. */
  readonly repair: boolean;
  /** Where to write a line for everything that was looked at; undefined: nowhere. */
  readonly diffFile: string | undefined;
}

/**
 * What can be wrong. Of messages: `missing` (completed, but no object), `mismatched` (length, checksum, URL or bytes are
 * not what the row says, or the document isn't what Elasticsearch held), `unreadable`. Of tracking: `inconsistent` (rows
 * and counters contradict each other). Of objects: `orphaned` (ours, but no row points at it), `foreign` (not ours),
 * `unfinished` (parts of an upload that was never completed). Of the source since: `changed`, `deleted` (messages), `arrived`,
 * `gone` (messages of a window; one that lies in windows of two jobs counts in both). `arrived` are also messages that were
 * accepted as missing and are at the source again. Of the configuration: `outdated_join` (messages whose
 * records were found by other joins than those configured now).
 */
export const FINDING_KINDS = [
  'missing',
  'mismatched',
  'unreadable',
  'inconsistent',
  'orphaned',
  'foreign',
  'unfinished',
  'changed',
  'deleted',
  'arrived',
  'gone',
  'outdated_join',
] as const;

export type FindingKind = (typeof FINDING_KINDS)[number];

/** How many were found of each kind. */
export type FindingCounts = Record<FindingKind, number>;

export interface Finding {
  readonly kind: FindingKind;
  /** How many messages, or objects, it stands for; 1 unless said. */
  readonly count?: number;
  readonly jobId?: number;
  readonly batchId?: number;
  /** One message; undefined where the whole batch, an object or a window is meant. */
  readonly message?: { readonly id: Buffer; readonly indexId: number };
  /** The object's key, without the prefix; of a window its interval. */
  readonly key?: string;
  /** For people, on one line: what was expected, what was found. */
  readonly detail: string;
}

/** Takes what a stage finds; kept with the verification's position, so nothing is told twice after a resume. */
export interface Findings {
  /** Something was looked at and is as it should be; `messages` is what `checked` grows by. */
  same(path: string, messages: number): void;
  add(finding: Finding): void;
}

/** A time that no job is about. */
export interface Uncovered extends Interval {
  /** Of the configured index and filter, in Elasticsearch now. */
  readonly messages: number;
}

export interface VerifyOutcome {
  readonly level: VerifyLevel;
  /** Its row of verify_runs, which verify_findings name; undefined where it is `busy`. */
  readonly verifyId: number | undefined;
  /** Messages that were checked on the level asked for. */
  readonly checked: number;
  readonly found: Readonly<FindingCounts>;
  /** The first few of each kind, as they were found. */
  readonly examples: readonly Finding[];
  /** Messages not migrated yet, and those that failed; after a repair. */
  readonly pending: number;
  readonly failed: number;
  /** Of those failed, the ones that `accept` has settled; and windows that could not be read whole, and were settled. */
  readonly accepted: number;
  readonly acceptedWindows: number;
  /** Windows that were not read to their end yet; a job whose windows were not cut yet counts as one. */
  readonly openWindows: number;
  /** Documents of the configured index and filter that have no usable date, and so lie in no range; undefined where it did not end. */
  readonly undated: number | undefined;
  /** Times between the verified jobs that no job over the index is about, and what Elasticsearch counts there; empty where it did not end. */
  readonly uncovered: readonly Uncovered[];
  /**
   * What Elasticsearch counts in the jobs' windows now, what it counted when they were read (both without what another
   * job had already), and what is tracked.
   */
  readonly counts: {
    readonly sourceNow: number;
    readonly sourceThen: number;
    readonly tracked: number;
    readonly completed: number;
    /** Messages whose object is listed under the prefix. */
    readonly stored: number;
  };
  /** Records in the documents and at the source, by the name of the array; empty where it did not come to its end. */
  readonly related: Readonly<Record<string, VerifiedRelated>>;
  /** Whether anything was tracked or migrated while it ran: it did not look at one state of things, and proves nothing. */
  readonly changedMeanwhile: boolean;
  /**
   * Nothing pending, nothing failed that is not accepted, no window open, no difference of any kind that was not repaired, and nothing changed
   * meanwhile.
   */
  readonly ok: boolean;
  /** Messages put back to pending, objects and uploads removed, and findings that are still to be dealt with. */
  readonly repaired:
    | {
        readonly messages: number;
        readonly objects: number;
        readonly uploads: number;
        readonly left: number;
      }
    | undefined;
  /** `busy`: the same verification is running elsewhere. */
  readonly ended: 'done' | 'stopped' | 'busy';
}
