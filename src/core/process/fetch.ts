import { anySignal } from '../any-signal.js';
import type { Documents, TooLarge } from '../elasticsearch/documents.js';
import type { Hit } from '../elasticsearch/hit.js';
import type { RelatedIndex } from '../elasticsearch/inspect-related.js';
import { orderRecords } from '../elasticsearch/related.js';
import type { Source } from '../elasticsearch/source.js';
import { MAX_HITS } from '../elasticsearch/query.js';
import { runPool } from '../pool.js';
import { reached } from '../steps.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { FailedMessage } from '../tracking/outcomes.js';
import type { RecordList } from './document.js';
import type { FailureCode } from './failures.js';
import { IdTable } from './id-table.js';
import { Revision } from './revision.js';

/** A message with its records, as they lie in the answers they came in. */
export interface FetchedMessage {
  readonly message: ClaimedMessage;
  readonly hit: Hit;
  readonly related: readonly RecordList[];
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
    const unindexed = unindexedKey(related, message);
    if (unindexed) failed.push(failure(message, 'unindexed_key', unindexed));
    return !unindexed;
  });
  const index = searchable[0]?.index;
  if (index === undefined) return { kind: 'fetched', messages: [], failed, fill: 0, tookMs: 0 };

  const answer = await source.messages(index, { ids: searchable.map(idOf), maxBytes, signal });
  if (answer.kind === 'too-large') return answer;
  reached('messages-read');
  const found = pickFound(searchable, answer.hits, failed);
  if (found.length === 0)
    return { kind: 'fetched', messages: [], failed, ...weightOf([answer], maxBytes) };

  const ids = found.map(({ message }) => idOf(message));
  const records: Documents[] = [];
  const waiting = related.entries();
  // A pool, so that where one search fails none goes on behind it.
  await runPool(
    related.length,
    () => Promise.resolve(waiting.next().value),
    async ([i, one], failed) => {
      const either = anySignal(signal, failed);
      records[i] = await source.records(one, { ids, maxBytes, signal: either });
    },
  );
  const large = records.find((one) => one.kind === 'too-large');
  if (large) return large;
  const table = new IdTable(found.map(({ message }) => message.id));
  const lists = related.map((one, i) => recordsByMessage(one, table, records[i]));
  const revision = new Revision();
  return {
    kind: 'fetched',
    messages: found.map(({ message, hit }, place) => {
      const own = related.map(({ name }, i) => ({ name, records: lists[i]?.[place] ?? [] }));
      return { message, hit, related: own, revision: revisionOf(revision, hit, own) };
    }),
    failed,
    ...weightOf([answer, ...records], maxBytes),
  };
}

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

/** Why a message's records can't be searched for, if they can't. */
export function unindexedKey(
  related: readonly RelatedIndex[],
  message: ClaimedMessage,
): string | undefined {
  // An id has at most as many characters as bytes.
  const maybe = related.filter(({ longestKey }) => message.id.length > longestKey);
  if (maybe.length === 0) return undefined;
  const { length } = idOf(message);
  const short = maybe.find(({ longestKey }) => length > longestKey);
  return (
    short &&
    `${short.index}.${short.key} indexes ids of up to ${short.longestKey} characters (ignore_above), this one has ${length}`
  );
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
  related: RelatedIndex,
  table: IdTable,
  records: Documents | undefined,
): readonly (readonly Hit[])[] {
  const lists: Hit[][] = Array.from({ length: table.size }, () => []);
  for (const hit of records?.kind === 'hits' ? records.hits : []) {
    for (const place of placesOf(related, table, hit)) lists[place]?.push(hit);
  }
  return lists.map((list) => orderRecords(related, list));
}

/** The messages a record belongs to, each once; -1 for values that are none of those asked for. */
function placesOf({ key, index }: RelatedIndex, table: IdTable, hit: Hit): Iterable<number> {
  const { body, field, valueStart, valueEnd, otherValues } = hit;
  if (valueEnd === 0 || field !== key)
    throw new Error(`${index}: record ${hit.id} was found by ${key}, but has no doc values of it`);
  const places = [table.find(body, valueStart, valueEnd)];
  for (const value of otherValues) places.push(table.findText(String(value)));
  // Left out, a document would lack it, and nobody would notice.
  if (places.every((place) => place < 0))
    throw new Error(`${index}: record ${hit.id} was found, but has no ${key} that was asked for`);
  return places.length === 1 ? places : new Set(places);
}
