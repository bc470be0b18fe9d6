import { anySignal } from '../any-signal.js';
import type { Hit } from '../elasticsearch/answer.js';
import type { Documents, TooLarge } from '../elasticsearch/documents.js';
import type { RelatedIndex } from '../elasticsearch/inspect-related.js';
import { orderRecords } from '../elasticsearch/related.js';
import type { Source } from '../elasticsearch/source.js';
import { MAX_HITS } from '../elasticsearch/query.js';
import { groupBy } from '../group-by.js';
import { runPool } from '../pool.js';
import { reached } from '../steps.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { FailedMessage } from '../tracking/outcomes.js';
import type { FailureCode } from './failures.js';
import { Revision } from './revision.js';

/** A message with its records, in views into the answers they came in. */
export interface FetchedMessage {
  readonly message: ClaimedMessage;
  readonly source: Buffer;
  readonly related: readonly { readonly name: string; readonly sources: readonly Buffer[] }[];
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
  const lists = related.map((one, i) => recordsByMessage(one, records[i]));
  return {
    kind: 'fetched',
    messages: found.map(({ message, source: bytes, hit }) => {
      const revision = new Revision();
      revision.add(hit);
      const own = related.map((one, i) => {
        const hits = lists[i]?.get(idOf(message)) ?? [];
        revision.list(one.name);
        for (const record of hits) revision.add(record);
        return { name: one.name, sources: hits.map((record) => sourceOf(one, record)) };
      });
      return { message, source: bytes, related: own, revision: revision.value };
    }),
    failed,
    ...weightOf([answer, ...records], maxBytes),
  };
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
): { message: ClaimedMessage; source: Buffer; hit: Hit }[] {
  const byId = groupBy(hits, ({ id }) => id);
  return claimed.flatMap((message) => {
    const [hit, another] = byId.get(idOf(message)) ?? [];
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
    else if (!hit.source)
      failed.push(failure(message, 'no_source', `Elasticsearch answered without _source`));
    else return [{ message, source: hit.source, hit }];
    return [];
  });
}

/** Why a message's records can't be searched for, if they can't. */
export function unindexedKey(
  related: readonly RelatedIndex[],
  message: ClaimedMessage,
): string | undefined {
  const { length } = idOf(message);
  const short = related.find(({ longestKey }) => length > longestKey);
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

/** Records by the message they belong to, in the contract's order. */
function recordsByMessage(
  related: RelatedIndex,
  records: Documents | undefined,
): Map<string, readonly Hit[]> {
  const byMessage = new Map<string, Hit[]>();
  for (const hit of records?.kind === 'hits' ? records.hits : []) {
    for (const id of keysOf(related, hit)) {
      const list = byMessage.get(id);
      if (list) list.push(hit);
      else byMessage.set(id, [hit]);
    }
  }
  const ordered = new Map<string, readonly Hit[]>();
  for (const [id, hits] of byMessage) ordered.set(id, orderRecords(related, hits));
  return ordered;
}

/** The messages a record belongs to, each once. */
function keysOf({ key, index }: RelatedIndex, hit: Hit): Iterable<string> {
  const values = hit.fields[key];
  if (!values)
    throw new Error(`${index}: record ${hit.id} was found by ${key}, but has no doc values of it`);
  return values.length === 1 ? [String(values[0])] : new Set(values.map(String));
}

/** Preflight has refused indices that keep no source, so this is a bug or an index made since. */
export function sourceOf({ index }: RelatedIndex, { id, source }: Hit): Buffer {
  if (!source) throw new Error(`${index}: record ${id} came without _source`);
  return source;
}
