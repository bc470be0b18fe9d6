import type { Hit } from '../hit.js';
import { ID, type RelatedIndex } from '../join.js';
import { jsonObject, MAX_HITS } from '../query.js';
import { joinQuery, type JoinValues } from '../related.js';
import { Owners } from './owners.js';
import { valuesByField } from './sample.js';
import type { ProbeSearches } from './searches.js';
import {
  valuesOf,
  type JoinPair,
  type JoinProbe,
  type ProbedMessage,
  type ProbedRecord,
} from './types.js';

/** Most values of one field that are searched for; Elasticsearch takes 65,536 unless told otherwise. */
const MOST_VALUES = 20_000;

export interface Forward extends Omit<JoinProbe, 'name'> {
  /** True where the values that were tried match more records than were looked at. */
  readonly isPart: boolean;
  /** Records of the sampled messages, by the join as it is configured. */
  readonly found: readonly ProbedRecord[];
  /** A field in the place of a configured one by which certainly more of the messages have records; the best first. */
  readonly better: readonly BetterJoin[];
}

export interface BetterJoin {
  readonly join: readonly JoinPair[];
  /** The field it has that is not configured in that place; undefined where two configured ones have changed places. */
  readonly field: string | undefined;
  readonly withRecords: number;
}

/**
 * How many of the messages have records, by the join as it is configured and by others that differ from it in one field of the
 * message, or have two of its fields changed places; in one search, or two where the first one matches too many records.
 *
 * A field that has the same value in all of several messages is not counted: it can't tell whose a record is.
 *
 * @param alsoRead fields of the records whose values are read, too
 */
export async function probeForward(
  searches: ProbeSearches,
  related: RelatedIndex,
  all: readonly ProbedMessage[],
  candidates: readonly string[],
  alsoRead: readonly string[] = [],
): Promise<Forward> {
  const { join } = related;
  const messages = fitting(all, join);
  const { others, values } = joinsToTry(join, messages, candidates);
  if (values.some((some) => some.size === 0)) return nothing(messages, join);
  const tried = await searchKeys(searches, related, values, alsoRead);
  const owners = new Owners(messages);
  const counts = others.map((one) => ({ ...one, ...countOwned(tried.found, owners, one.join) }));
  // What was cut off may be records of the configured join: its number has to be known for certain.
  const own = tried.isPart ? await searchConfigured(searches, related, messages, alsoRead) : tried;
  const { withRecords, owned, found } = countOwned(own.found, owners, join);
  const better = counts
    .filter((one) => one.withRecords > withRecords)
    .sort((a, b) => b.withRecords - a.withRecords);
  return {
    sampled: messages.length,
    withRecords,
    records: owned,
    withoutValue: withoutValue(messages, join),
    isLowerBound: own.isPart,
    isPart: tried.isPart,
    found,
    better: own.isPart ? [] : better,
  };
}

async function searchConfigured(
  searches: ProbeSearches,
  related: RelatedIndex,
  messages: readonly ProbedMessage[],
  alsoRead: readonly string[],
): Promise<Keys> {
  const values = related.join.map(({ on }) => valuesIn(messages, on));
  if (values.some(({ size }) => size === 0)) return { found: [], isPart: false };
  return searchKeys(searches, related, values, alsoRead);
}

function nothing(messages: readonly ProbedMessage[], join: readonly JoinPair[]): Forward {
  const none = {
    withRecords: 0,
    records: 0,
    isLowerBound: false,
    isPart: false,
    found: [],
    better: [],
  };
  return { ...none, sampled: messages.length, withoutValue: withoutValue(messages, join) };
}

function withoutValue(messages: readonly ProbedMessage[], join: readonly JoinPair[]): number {
  return messages.filter((message) => join.some(({ on }) => valuesOf(message, on).length === 0))
    .length;
}

/** As many messages as have few enough values for one search. */
function fitting(messages: readonly ProbedMessage[], join: readonly JoinPair[]): ProbedMessage[] {
  const values = join.map(() => new Set<string>());
  const taken: ProbedMessage[] = [];
  for (const message of messages) {
    const own = join.map(({ on }) => valuesOf(message, on));
    if (own.some((some, i) => some.length + (values[i]?.size ?? 0) > MOST_VALUES)) continue;
    for (const [i, some] of own.entries()) for (const value of some) values[i]?.add(value);
    taken.push(message);
  }
  return taken;
}

/** Joins that differ from the configured one in one field of the message, and what to search for to try them all. */
function joinsToTry(
  join: readonly JoinPair[],
  messages: readonly ProbedMessage[],
  candidates: readonly string[],
): { others: Omit<BetterJoin, 'withRecords'>[]; values: Set<string>[] } {
  const values = join.map(({ on }) => valuesIn(messages, on));
  const others: Omit<BetterJoin, 'withRecords'>[] = [];
  for (const field of [ID, ...candidates].filter((one) => tellsApart(messages, one))) {
    const some = valuesIn(messages, field);
    for (const [i, { on }] of join.entries()) {
      const known = values[i];
      if (!known || field === on || some.size + known.size > MOST_VALUES) continue;
      for (const value of some) known.add(value);
      others.push({ field, join: join.map((one, at) => (at === i ? { ...one, on: field } : one)) });
    }
  }
  others.push(...swaps(join, messages, values));
  return { others, values };
}

/** Joins with two fields of the message in each other's place, as where they were listed in another order than the keys. */
function swaps(
  join: readonly JoinPair[],
  messages: readonly ProbedMessage[],
  values: readonly Set<string>[],
): Omit<BetterJoin, 'withRecords'>[] {
  const places = join.flatMap((_, i) =>
    join.slice(i + 1).map((_one, behind) => [i, i + 1 + behind]),
  );
  return places.flatMap(([i = 0, j = 0]) => {
    const [one, other] = [join[i]?.on, join[j]?.on];
    if (one === undefined || other === undefined || one === other) return [];
    const added = new Map([
      [i, other],
      [j, one],
    ]);
    for (const [at, on] of added) {
      const [known, some] = [values[at], valuesIn(messages, on)];
      if (!known || known.size + some.size > MOST_VALUES) return [];
      for (const value of some) known.add(value);
    }
    const swapped = join.map((pair, at) => ({ ...pair, on: added.get(at) ?? pair.on }));
    return [{ field: undefined, join: swapped }];
  });
}

function valuesIn(messages: readonly ProbedMessage[], on: string): Set<string> {
  return new Set(messages.flatMap((message) => valuesOf(message, on)));
}

/** Whether a field has any values, and not the same in all of several messages. */
function tellsApart(messages: readonly ProbedMessage[], field: string): boolean {
  const seen = messages.map((message) => JSON.stringify(valuesOf(message, field)));
  if (seen.every((one) => one === '[]')) return false;
  return messages.length === 1 || seen.some((one) => one !== seen[0]);
}

interface Keys {
  readonly found: readonly ProbedRecord[];
  /** True where there are more. */
  readonly isPart: boolean;
}

/** The keys of records that have one of the values in each field of the join. */
async function searchKeys(
  searches: ProbeSearches,
  related: RelatedIndex,
  values: readonly ReadonlySet<string>[],
  alsoRead: readonly string[],
): Promise<Keys> {
  const asked: JoinValues = values.map((some) => [...some]);
  const body = jsonObject({
    size: String(MAX_HITS),
    query: joinQuery(related, asked),
    sort: '["_doc"]',
    _source: 'false',
    track_total_hits: 'false',
    docvalue_fields: JSON.stringify([...keysOf(related), ...alsoRead]),
  });
  const hits = await searches.search(related.index, body);
  if (hits === 'too-large') return { found: [], isPart: true };
  return {
    found: hits.map((hit) => probedRecord(hit, related, alsoRead)),
    isPart: hits.length >= MAX_HITS,
  };
}

export function keysOf({ join }: Pick<RelatedIndex, 'join'>): string[] {
  return [...new Set(join.map(({ key }) => key))];
}

export function probedRecord(
  hit: Hit,
  { join }: Pick<RelatedIndex, 'join'>,
  alsoRead: readonly string[],
): ProbedRecord {
  return {
    id: `${hit.index}/${hit.id}`,
    keys: join.map(({ key }) => hit.valuesOf(key)),
    others: valuesByField(hit, alsoRead),
  };
}

function countOwned(
  records: readonly ProbedRecord[],
  owners: Owners,
  join: readonly JoinPair[],
): { withRecords: number; owned: number; found: ProbedRecord[] } {
  const served = new Set<number>();
  const found: ProbedRecord[] = [];
  let owned = 0;
  for (const record of records) {
    const places = owners.placesOf(record, join);
    for (const place of places) served.add(place);
    owned += places.size;
    if (places.size > 0) found.push(record);
  }
  return { withRecords: served.size, owned, found };
}
