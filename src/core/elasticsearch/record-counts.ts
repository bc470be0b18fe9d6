import type { RelatedIndex } from './join.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import { joinQuery, withoutIndex, type JoinValues } from './related.js';
import type { Requests } from './requests.js';

interface Composite {
  readonly joined?: {
    readonly after_key?: Readonly<Record<string, unknown>>;
    readonly buckets?: readonly {
      readonly key: Readonly<Record<string, unknown>>;
      readonly doc_count: number;
    }[];
  };
}

/**
 * How many records each of these messages has in one related index now; none is read. One search for all messages with one value
 * a field, one more for each with several, whose records may have several of them.
 *
 * @param messages their values for each field of the join; undefined where a message lacks one, and so has no records
 */
export async function countRecords(
  requests: Requests,
  related: RelatedIndex,
  messages: readonly (JoinValues | undefined)[],
  signal: AbortSignal,
): Promise<number[]> {
  const counts = messages.map(() => 0);
  if (related.absent) return counts;
  const single = new Map<string, number[]>();
  for (const [place, values] of messages.entries()) {
    if (!values) continue;
    if (values.some((some) => some.length > 1)) {
      counts[place] = await countOne(requests, related, values, signal);
      continue;
    }
    const name = JSON.stringify(values.map(([value]) => value));
    single.set(name, [...(single.get(name) ?? []), place]);
  }
  if (single.size === 0) return counts;
  const tuples = [...single.keys()].map((name) => JSON.parse(name) as string[]);
  const wanted = related.join.map((_, i) => [...new Set(tuples.map((tuple) => tuple[i] ?? ''))]);
  for await (const { name, count } of tuplesOf(requests, related, wanted, signal)) {
    for (const place of single.get(name) ?? []) counts[place] = count;
  }
  return counts;
}

/** Each combination of values that records have, and how many have it. */
async function* tuplesOf(
  requests: Requests,
  related: RelatedIndex,
  wanted: JoinValues,
  signal: AbortSignal,
): AsyncGenerator<{ name: string; count: number }> {
  const sources = related.join.map(({ key }, i) => ({ [`k${i}`]: { terms: { field: key } } }));
  let after: unknown;
  do {
    const composite = { size: MAX_HITS, sources, ...(after !== undefined && { after }) };
    const body = jsonObject({
      size: '0',
      track_total_hits: 'false',
      query: joinQuery(related, wanted),
      aggs: JSON.stringify({ joined: { composite } }),
    });
    const path = `/${indexPath(related.index)}/_search`;
    const answer = await requests
      .aggregations({ method: 'POST', path, query: STRICT, body, signal })
      .catch((error: unknown) => {
        throw withoutIndex(error, related);
      });
    const { joined = {} } = (answer ?? {}) as Composite;
    for (const { key, doc_count: count } of joined.buckets ?? [])
      yield { name: JSON.stringify(related.join.map((_, i) => String(key[`k${i}`]))), count };
    after = joined.after_key;
  } while (after !== undefined);
}

async function countOne(
  requests: Requests,
  related: RelatedIndex,
  values: JoinValues,
  signal: AbortSignal,
): Promise<number> {
  return countMatching(requests, related, joinQuery(related, values), signal);
}

/** All records of a related index. */
export function countAllRecords(
  requests: Requests,
  related: RelatedIndex,
  signal: AbortSignal,
): Promise<number> {
  if (related.absent) return Promise.resolve(0);
  return countMatching(requests, related, '{"match_all":{}}', signal);
}

/** Records without an indexed value in a key of the join: they lack the field, or were written before it was mapped. */
export function countWithoutKey(
  requests: Requests,
  related: RelatedIndex,
  signal: AbortSignal,
): Promise<number> {
  if (related.absent) return Promise.resolve(0);
  return countMatching(requests, related, withoutKeyQuery(related), signal);
}

export function withoutKeyQuery({ join }: Pick<RelatedIndex, 'join'>): string {
  const present = join.map(({ key }) => `{"exists":{"field":${JSON.stringify(key)}}}`);
  return `{"bool":{"must_not":[{"bool":{"filter":[${present.join(',')}]}}]}}`;
}

async function countMatching(
  requests: Requests,
  related: RelatedIndex,
  query: string,
  signal: AbortSignal,
): Promise<number> {
  const path = `/${indexPath(related.index)}/_search`;
  const body = jsonObject({ size: '0', track_total_hits: 'true', query });
  const answer = await requests
    .search({ method: 'POST', path, query: STRICT, body, signal })
    .catch((error: unknown) => {
      throw withoutIndex(error, related);
    });
  if (answer === 'too-large' || answer.total === undefined)
    throw new Error(`${related.index}: records were not counted`);
  return answer.total;
}
