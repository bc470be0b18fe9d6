import { usage } from '../errors.js';
import type { IndexPair } from '../settings.js';

/** Of a message: its id. */
export const ID = '_id';
/** Of a message: the index it is in. */
export const INDEX = '_index';

/** One pair of fields that a record and its message have a value in common in, checked. */
export interface JoinField {
  /** A keyword field of the records. */
  readonly key: string;
  /** A keyword field of the messages, `_id` or `_index`. */
  readonly on: string;
  /** Values with more characters than this are not in the records' index (`ignore_above`): they can't be searched for. */
  readonly longestKey: number;
  /** Values with more characters than this are not among a message's doc values. */
  readonly longestOn: number;
  /** By what names Elasticsearch calls `on` where it tells that it has ignored a value; several where it is an alias. */
  readonly onPaths: readonly string[];
}

/** A related index, checked: what is needed to search it without missing a record. */
export interface RelatedIndex {
  /** Of the array its records become. */
  readonly name: string;
  /** A name, alias or pattern; the one that belongs to the messages' index. */
  readonly index: string;
  /** A record belongs to a message if they have a value in common in each of these. */
  readonly join: readonly JoinField[];
  readonly sort?: {
    readonly field: string;
    readonly type: string;
    /** Set where the field is `date` in one index and `date_nanos` in another: both then sort as the latter. */
    readonly numericType?: 'date_nanos';
  };
  /**
   * `allowed`: it does not exist, and need not, so its messages have no records. `unknown`: the messages' index was not there
   * when this run began, and nothing was looked at: where such messages turn up, they can't be migrated.
   */
  readonly absent?: 'allowed' | 'unknown';
}

/** One array of the documents, as it is configured and as it was found: plain data. */
export interface RelatedSource {
  readonly name: string;
  /** Undefined where one related index is for all messages. */
  readonly pairs: readonly IndexPair[] | undefined;
  /** One where there are no pairs, else one for each related index that the pairs lead to. */
  readonly indices: readonly RelatedIndex[];
  /** What the user should know before the job starts, one line each. */
  readonly cautions: readonly string[];
}

/** The related indices for messages of one index, in the order of the document's arrays. */
export function relatedFor(sources: readonly RelatedSource[], messages: string): RelatedIndex[] {
  return sources.map(({ name, pairs, indices }) => {
    const index = pairs && pairedIndex(pairs, messages);
    const found = pairs ? indices.find((one) => one.index === index) : indices[0];
    return found ?? { name, index: index ?? '', join: [], absent: 'unknown' };
  });
}

/**
 * Refuses messages of an index that this run has not looked at.
 *
 * @throws MigrateError `usage`
 */
export function refuseUnknown(related: readonly RelatedIndex[], messages: string): void {
  const unknown = related.find(({ absent }) => absent === 'unknown');
  if (!unknown) return;
  throw usage(
    `where messages of ${messages} have their records (source.related.${unknown.name}) is not known: source.index did not stand for it when this run began`,
    'Run the same command again; where that says the same, widen source.index, or add a pair for it.',
  );
}

/**
 * The related index of messages of this index: by the first pair whose pattern matches its whole name.
 *
 * @throws MigrateError `usage` where none does
 */
export function requirePaired(name: string, pairs: readonly IndexPair[], messages: string): string {
  const paired = pairedIndex(pairs, messages);
  if (paired !== undefined) return paired;
  throw usage(
    `no pair of source.related.${name}.index matches the index ${messages}, so nothing says where its records are`,
    `Add a pair for ${messages} there, or narrow source.index.`,
  );
}

function pairedIndex(pairs: readonly IndexPair[], messages: string): string | undefined {
  for (const pair of pairs) {
    const whole = new RegExp(`^(?:${pair.messages})$`, 'u');
    if (whole.test(messages)) return messages.replace(whole, pair.related);
  }
  return undefined;
}

/** Fields of the messages that these joins read, beside `_id` and `_index`; each once. */
export function fieldsOfMessages(related: readonly Pick<RelatedIndex, 'join'>[]): string[] {
  const fields = related.flatMap(({ join }) => join.map(({ on }) => on));
  return [...new Set(fields)].filter((field) => field !== ID && field !== INDEX);
}
