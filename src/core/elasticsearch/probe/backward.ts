import { fieldsOfMessages, ID, type RelatedIndex } from '../join.js';
import { jsonObject, MAX_HITS } from '../query.js';
import { keysOf, probedRecord } from './forward.js';
import { Owners } from './owners.js';
import { severalOwners, sharedValues, type SeveralOwners } from './several-owners.js';
import { probedMessage } from './sample.js';
import type { ProbeSearches } from './searches.js';
import type { JoinPair, ProbedMessage, ProbedRecord } from './types.js';

/** Records that are looked at, and as many again that were found with the sampled messages. */
const MOST_RECORDS = 100;
/** Most values of one field that are searched for; Elasticsearch takes 65,536 unless told otherwise. */
const MOST_VALUES = 20_000;
/** Messages of one index that are compared with those of others, where a record belongs to several. */
const MOST_COMPARED = 10;

/** The messages that records may belong to. */
export interface OwnerIndices {
  /** To be searched: a name, alias, pattern, or several names. */
  readonly index: string;
  /** Which of its concrete indices count. */
  readonly counts: (index: string) => boolean;
}

export interface Backward {
  /** Records that were looked at. */
  readonly sampled: readonly ProbedRecord[];
  /** Whether one of them belongs to a message; undefined where that is not known. */
  readonly isOwned: boolean | undefined;
  /** A key, one value for each field of the join, that messages of two indices have. */
  readonly shared?: {
    readonly key: readonly string[];
    readonly indices: readonly [string, string];
  };
  /** Set where most of the records belong to several messages of one index. */
  readonly several?: SeveralOwners;
}

/**
 * Up to 100 records that have all keys; the newest where records are sorted by a date, since the oldest may have outlived their
 * messages. `too-large` as the search.
 *
 * @param alsoRead fields of the records whose values are read, too
 */
export async function sampleRecords(
  searches: ProbeSearches,
  related: RelatedIndex,
  alsoRead: readonly string[],
): Promise<ProbedRecord[] | 'too-large'> {
  const present = keysOf(related).map((field) => `{"exists":{"field":${JSON.stringify(field)}}}`);
  const body = jsonObject({
    size: String(MOST_RECORDS),
    query: `{"bool":{"filter":[${present.join(',')}]}}`,
    sort: `[${newestFirst(related)}]`,
    _source: 'false',
    track_total_hits: 'false',
    docvalue_fields: JSON.stringify([...keysOf(related), ...alsoRead]),
  });
  const hits = await searches.search(related.index, body);
  return hits === 'too-large' ? hits : hits.map((hit) => probedRecord(hit, related, alsoRead));
}

/** By dates only: sorting by a keyword would have Elasticsearch load all its values. */
function newestFirst({ sort }: RelatedIndex): string {
  if (sort?.type !== 'date' && sort?.type !== 'date_nanos') return '"_doc"';
  const { field, type, numericType } = sort;
  return jsonObject({
    [field]: jsonObject({
      order: '"desc"',
      missing: '"_last"',
      unmapped_type: JSON.stringify(type),
      numeric_type: numericType && JSON.stringify(numericType),
    }),
  });
}

/** Whether the related index holds any record, with a key or without. */
export async function hasRecords(
  searches: ProbeSearches,
  related: RelatedIndex,
): Promise<boolean | 'too-large'> {
  const body = jsonObject({ size: '1', _source: 'false', track_total_hits: 'false' });
  const hits = await searches.search(related.index, body);
  return hits === 'too-large' ? hits : hits.length > 0;
}

/**
 * Looks up the messages that these records belong to, of any date and whatever the filter: a record of a message that is not
 * migrated is no error. One search.
 *
 * @param found records that belong to messages for certain; also looked up, for messages of another index
 * @param tellers pairs of fields that might tell messages apart which share records
 */
export async function probeBackward(
  searches: ProbeSearches,
  { join }: Pick<RelatedIndex, 'join'>,
  where: OwnerIndices,
  { records, found }: { records: readonly ProbedRecord[]; found: readonly ProbedRecord[] },
  tellers: readonly JoinPair[],
): Promise<Backward> {
  const both = [...records.slice(0, MOST_RECORDS), ...found.slice(0, MOST_RECORDS)];
  const sampled = [...new Map(both.map((one) => [one.id, one])).values()];
  const fields = [...new Set([...fieldsOfMessages([{ join }]), ...tellers.map(({ on }) => on)])];
  const clauses = join.map(({ on }, i) => {
    // No message has an empty id, and Elasticsearch refuses to look for one.
    const wanted = sampled.flatMap(({ keys }) => keys[i] ?? []).filter((key) => key !== '');
    const values = [...new Set(wanted)].slice(0, MOST_VALUES);
    return on === ID
      ? `{"ids":{"values":${JSON.stringify(values)}}}`
      : `{"terms":{${JSON.stringify(on)}:${JSON.stringify(values)}}}`;
  });
  const body = jsonObject({
    size: String(MAX_HITS),
    query: `{"bool":{"filter":[${clauses.join(',')}]}}`,
    sort: '["_doc"]',
    _source: 'false',
    track_total_hits: 'false',
    docvalue_fields: fields.length > 0 ? JSON.stringify(fields) : undefined,
  });
  const hits = await searches.search(where.index, body);
  if (hits === 'too-large') return { sampled, isOwned: undefined };
  const messages = hits
    .map((hit) => probedMessage(hit, fields))
    .filter(({ index }) => where.counts(index));
  const owners = new Owners(messages);
  let isOwned = found.length > 0;
  for (const record of sampled) {
    const places = [...owners.placesOf(record, join)];
    isOwned ||= places.length > 0;
    const shared = sharedKey(
      record,
      places.flatMap((place) => messages[place] ?? []),
      join,
    );
    if (shared) return { sampled, isOwned, shared };
  }
  const several = severalOwners(sampled, messages, owners, join, tellers);
  return {
    sampled,
    isOwned: isOwned || (hits.length >= MAX_HITS ? undefined : false),
    ...(several && { several }),
  };
}

/** A key of the record that messages of two different indices have. */
function sharedKey(
  record: ProbedRecord,
  owners: readonly ProbedMessage[],
  join: readonly JoinPair[],
): Backward['shared'] {
  const indices = [...new Set(owners.map(({ index }) => index))].sort();
  if (indices.length < 2) return undefined;
  const some = indices.flatMap((index) =>
    owners.filter((one) => one.index === index).slice(0, MOST_COMPARED),
  );
  for (const [i, one] of some.entries()) {
    for (const other of some.slice(i + 1)) {
      if (one.index === other.index) continue;
      const key = sharedValues(record, one, other, join);
      if (key) return { key, indices: [one.index, other.index] };
    }
  }
  return undefined;
}
