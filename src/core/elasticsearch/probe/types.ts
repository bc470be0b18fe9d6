import type { Interval } from '../../extract/types.js';
import { ID, INDEX, type JoinField, type RelatedSource } from '../join.js';

/** What a probe of joins is about. */
export interface ProbeRequest {
  /** As `inspectRelated` found them. */
  readonly related: readonly RelatedSource[];
  /** The concrete indices that `source.index` stands for. */
  readonly indices: readonly string[];
  /** Which messages are sampled. */
  readonly interval: Interval;
  /** Told in one line each what was searched for, and what could not be tried. */
  readonly say: (line: string, level: 'debug' | 'warn') => void;
}

/** What a probe found about one related index, or several that pairs lead to: counts of a sample. */
export interface JoinProbe {
  /** Of the array in the documents. */
  readonly name: string;
  /** Messages that were sampled. */
  readonly sampled: number;
  /** Those of them that have records. */
  readonly withRecords: number;
  /** Their records. One that belongs to several messages counts for each, as it stands in each document. */
  readonly records: number;
  /** Messages without a value in a field of the join: they have no records. */
  readonly withoutValue: number;
  /** True where a search matched more records than were looked at: `withRecords` and `records` are at least so many. */
  readonly isLowerBound: boolean;
}

/** A message that was sampled or looked up. */
export interface ProbedMessage {
  readonly id: string;
  readonly index: string;
  /** Doc values by field; a field without any is left out. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** A record: its values in each key of the join, in the order of the join. */
export interface ProbedRecord {
  /** Index and id: another than of any other record. */
  readonly id: string;
  readonly keys: readonly (readonly string[])[];
  /** Values in fields besides, by field; one without any is left out. */
  readonly others: ReadonlyMap<string, readonly string[]>;
}

/** The names of one pair of fields of a join. */
export type JoinPair = Pick<JoinField, 'key' | 'on'>;

/** A message's values in a field, `_id` or `_index`. */
export function valuesOf({ id, index, values }: ProbedMessage, on: string): readonly string[] {
  if (on === ID) return [id];
  return on === INDEX ? [index] : (values.get(on) ?? []);
}
