import { anySignal } from '../any-signal.js';
import type { Documents, TooLarge } from '../elasticsearch/documents.js';
import type { Hit } from '../elasticsearch/hit.js';
import {
  fieldsOfMessages,
  ID,
  INDEX,
  refuseUnknown,
  type RelatedIndex,
} from '../elasticsearch/join.js';
import { orderRecords } from '../elasticsearch/related.js';
import type { Source } from '../elasticsearch/source.js';
import { MAX_HITS } from '../elasticsearch/query.js';
import { runPool } from '../pool.js';
import { reached } from '../steps.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { FailedMessage, RecordCount } from '../tracking/outcomes.js';
import type { RecordList } from './document.js';
import type { FailureCode } from './failures.js';
import { IdTable } from './id-table.js';
import { joinValues, JoinTable, ValueTables, type JoinedMessage } from './join-table.js';
import { Revision } from './revision.js';

/** A message with its records, as they lie in the answers they came in. */
export interface FetchedMessage {
  readonly message: ClaimedMessage;
  readonly hit: Hit;
  readonly related: readonly RecordList[];
  /** How many records there are of each related index. */
  readonly counts: readonly RecordCount[];
  /** See Revision. */
  readonly revision: number | undefined;
}

export type Fetched =
  | {
      readonly kind: 'fetched';
      readonly messages: readonly FetchedMessage[];
      readonly failed: readonly FailedMessage[];
      /** How full the fullest answer was, from 0 to 1: of its bytes or of its hits. */
      readonly fill: number;
      /** How long Elasticsearch worked on the longest of the searches, in milliseconds. */
      readonly tookMs: number;
    }
  /** Not all of it can be had at once: ask for fewer. */
  | { readonly kind: 'too-large'; readonly reason: TooLarge };

export interface FetchRequest {
  readonly source: Source;
  /** Those that belong to the messages' index. */
  readonly related: readonly RelatedIndex[];
  /** Most bytes of one answer. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Reads messages of one index with all their records: the messages by id, then the records of all of them, one search
 * a related index. A message that can't be migrated is among `failed`; the rest goes on.
 */
export async function fetchMessages(
  request: FetchRequest,
  claimed: readonly ClaimedMessage[],
): Promise<Fetched> {
  const { source, related, maxBytes, signal } = request;
  const failed: FailedMessage[] = [];
  const searchable = claimed.filter((message) => {
    const unindexed = unindexedId(related, message);
    if (unindexed) failed.push(failure(message, 'unindexed_key', unindexed));
    return !unindexed;
  });
  const index = searchable[0]?.index;
  if (index === undefined) return { kind: 'fetched', messages: [], failed, fill: 0, tookMs: 0 };

  const docValues = fieldsOfMessages(related);
  const ids = searchable.map(idOf);
  const answer = await source.messages(index, { ids, docValues, maxBytes, signal });
  if (answer.kind === 'too-large') return answer;
  reached('messages-read');
  const found = pickFound(searchable, answer.hits, failed).filter((one) => {
    const unindexed = unindexedValue(related, one);
    if (unindexed) failed.push(failure(one.message, 'unindexed_key', unindexed));
    return !unindexed;
  });
  if (found.length === 0)
    return { kind: 'fetched', messages: [], failed, ...weightOf([answer], maxBytes) };

  refuseUnknown(related, index);
  const values = new ValueTables(found);
  const tables = related.map((one) => new JoinTable(one, found, values));
  const records: (Documents | undefined)[] = [];
  const waiting = related.entries();
  // A pool, so that where one search fails none goes on behind it.
  await runPool(
    related.length,
    () => Promise.resolve(waiting.next().value),
    async ([i, one], failed) => {
      const wanted = one.absent ? undefined : tables[i]?.values;
      if (!wanted) return;
      if (wanted.some((some) => some.length > MOST_VALUES)) {
        records[i] = { kind: 'too-large', reason: 'hits' };
        return;
      }
      const either = anySignal(signal, failed);
      records[i] = await source.records(one, wanted, { maxBytes, signal: either });
    },
  );
  const large = records.find((one) => one?.kind === 'too-large');
  if (large?.kind === 'too-large') return large;
  const lists = tables.map((table, i) => recordsByMessage(related[i], table, records[i]));
  const revision = new Revision();
  return {
    kind: 'fetched',
    messages: found.map(({ message, hit }, place) => {
      const own = related.map(({ name }, i) => ({ name, records: lists[i]?.[place] ?? [] }));
      const counts = own.map((list, i) =>
        tables[i]?.lacksValue[place] ? 'no value' : list.records.length,
      );
      return { message, hit, related: own, counts, revision: revisionOf(revision, hit, own) };
    }),
    failed,
    ...weightOf([answer, ...records.filter((one) => one !== undefined)], maxBytes),
  };
}

/** Elasticsearch's `index.max_terms_count`: most values of one `terms` query. */
const MOST_VALUES = 65_536;

/** @param revision is begun anew */
function revisionOf(
  revision: Revision,
  message: Hit,
  related: readonly RecordList[],
): number | undefined {
  revision.clear();
  revision.add(message);
  for (const { name, records } of related) {
    revision.list(name);
    for (const record of records) revision.add(record);
  }
  return revision.value;
}

/** How heavy the heaviest of these answers was, to whom they were sent and to whom sent them. */
function weightOf(
  answers: readonly Documents[],
  maxBytes: number,
): { fill: number; tookMs: number } {
  const weights = answers.map((answer) =>
    answer.kind === 'hits'
      ? {
          fill: Math.max(answer.bytes / maxBytes, answer.hits.length / MAX_HITS),
          tookMs: answer.tookMs,
        }
      : { fill: 1, tookMs: 0 },
  );
  return {
    fill: Math.max(...weights.map(({ fill }) => fill)),
    tookMs: Math.max(...weights.map(({ tookMs }) => tookMs)),
  };
}

/** The messages that were found exactly once, with their source; the others are added to `failed`. */
export function pickFound(
  claimed: readonly ClaimedMessage[],
  hits: readonly Hit[],
  failed: FailedMessage[],
): { message: ClaimedMessage; hit: Hit }[] {
  const table = new IdTable(claimed.map(({ id }) => id));
  const byPlace: Hit[][] = claimed.map(() => []);
  for (const hit of hits) byPlace[table.find(hit.body, hit.idStart, hit.idEnd)]?.push(hit);
  return claimed.flatMap((message, place) => {
    const [hit, another] = byPlace[place] ?? [];
    if (!hit)
      failed.push(
        failure(message, 'missing', `Elasticsearch no longer has it in ${message.index}`),
      );
    else if (another)
      failed.push(
        failure(
          message,
          'ambiguous_id',
          `${message.index} has several documents of this id, under different routings`,
        ),
      );
    else if (hit.sourceEnd === 0)
      failed.push(failure(message, 'no_source', `Elasticsearch answered without _source`));
    else return [{ message, hit }];
    return [];
  });
}

/** Why the records of a message of this id can't be searched for, if they can't. */
export function unindexedId(
  related: readonly RelatedIndex[],
  message: ClaimedMessage,
): string | undefined {
  for (const { index, join } of related) {
    for (const { key, on, longestKey } of join) {
      // An id has at most as many characters as bytes.
      if (on !== ID || message.id.length <= longestKey) continue;
      const { length } = idOf(message);
      if (length > longestKey)
        return `${index}.${key} indexes ids of up to ${longestKey} characters (ignore_above), this one has ${length}`;
    }
  }
  return undefined;
}

/**
 * Why the records of a message that was read can't be searched for by its fields, if they can't: a value is not among its doc
 * values, or not in the records' index, since it is too long (`ignore_above`). It must not look like a message without a value.
 */
export function unindexedValue(
  related: readonly RelatedIndex[],
  joined: JoinedMessage,
): string | undefined {
  for (const { index, join } of related) {
    for (const { key, on, longestKey, longestOn, onPaths } of join) {
      if (on === ID) continue;
      const isIgnored = joined.hit.ignored.some((name) => onPaths.includes(name));
      if (on !== INDEX && isIgnored)
        return `a value of its field ${on} has more than the ${longestOn} characters that are indexed (ignore_above)`;
      const long = joinValues(joined, on).find((value) => value.length > longestKey);
      if (long !== undefined)
        return `${index}.${key} indexes values of up to ${longestKey} characters (ignore_above), its ${on} has ${long.length}`;
    }
  }
  return undefined;
}

export function failure(
  message: ClaimedMessage,
  code: FailureCode,
  detail: string,
  stage: FailedMessage['stage'] = 'fetch',
): FailedMessage {
  return { kind: 'failed', message, stage, code, detail };
}

export function idOf({ id }: ClaimedMessage): string {
  return id.toString('utf8');
}

/** Records by the place of the message they belong to, in the contract's order. */
function recordsByMessage(
  related: RelatedIndex | undefined,
  table: JoinTable,
  records: Documents | undefined,
): readonly (readonly Hit[])[] {
  const lists: Hit[][] = table.lacksValue.map(() => []);
  if (!related || records?.kind !== 'hits') return lists;
  for (const hit of records.hits) {
    for (const place of table.placesOf(hit)) lists[place]?.push(hit);
  }
  return lists.map((list) => orderRecords(related, list));
}
