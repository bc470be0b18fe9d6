import { z } from 'zod';
import type { RelatedIndex } from './join.js';
import { byName } from './json-answer.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import { joinQuery, withoutIndex, type JoinValues } from './related.js';
import { withoutCount, type Requests } from './requests.js';

const count = z.int().nonnegative();
const key = byName(z.unknown());
const joinedAnswer = z.object({
  joined: z.object({
    after_key: key.optional(),
    buckets: z.array(z.object({ key, doc_count: count })),
  }),
});
const eachAnswer = z.object({
  each: z.object({ buckets: z.array(z.object({ doc_count: count })) }),
});
const severalAnswer = byName(z.object({ value: count.optional(), doc_count: count.optional() }));

/** Messages with several values whose records are counted by one search. */
const FILTERS_AT_ONCE = 100;

/**
 * How many records each of these messages has in one related index now; none is read. One search for all messages with one value
 * a field, one more for a hundred of those with several, whose records may have several of them.
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
  const several: { readonly place: number; readonly values: JoinValues }[] = [];
  for (const [place, values] of messages.entries()) {
    if (!values) continue;
    if (values.some((some) => some.length > 1)) {
      several.push({ place, values });
      continue;
    }
    const name = JSON.stringify(values.map(([value]) => value));
    const known = single.get(name);
    if (known) known.push(place);
    else single.set(name, [place]);
  }
  for (let first = 0; first < several.length; first += FILTERS_AT_ONCE) {
    const some = several.slice(first, first + FILTERS_AT_ONCE);
    const found = await countEach(requests, related, some, signal);
    for (const [i, { place }] of some.entries()) counts[place] = found[i] ?? 0;
  }
  if (single.size === 0) return counts;
  const tuples = [...single.keys()].map((name) => JSON.parse(name) as string[]);
  const wanted = related.join.map((_, i) => [...new Set(tuples.map((tuple) => tuple[i] ?? ''))]);
  for await (const { name, count } of tuplesOf(requests, related, wanted, signal)) {
    for (const place of single.get(name) ?? []) counts[place] = count;
  }
  return counts;
}

async function countEach(
  requests: Requests,
  related: RelatedIndex,
  messages: readonly { readonly values: JoinValues }[],
  signal: AbortSignal,
): Promise<number[]> {
  const filters = messages.map(({ values }) => joinQuery(related, values));
  const body = jsonObject({
    size: '0',
    track_total_hits: 'false',
    query: `{"bool":{"should":[${filters.join(',')}],"minimum_should_match":1}}`,
    aggs: `{"each":{"filters":{"filters":[${filters.join(',')}]}}}`,
  });
  const path = `/${indexPath(related.index)}/_search`;
  const request = { method: 'POST', path, query: STRICT, body, signal } as const;
  const { each } = await requests.aggregations(request, eachAnswer);
  return each.buckets.map(({ doc_count }) => doc_count);
}

/** Whether any record has several values in a field of the join. */
export async function hasSeveralKeys(
  requests: Requests,
  { index, join, absent }: RelatedIndex,
  signal: AbortSignal,
): Promise<boolean> {
  if (absent) return false;
  const aggs: Record<string, object> = {};
  for (const [i, { key }] of join.entries()) {
    aggs[`v${i}`] = { value_count: { field: key } };
    aggs[`d${i}`] = { filter: { exists: { field: key } } };
  }
  const body = jsonObject({ size: '0', track_total_hits: 'false', aggs: JSON.stringify(aggs) });
  const path = `/${indexPath(index)}/_search`;
  const request = { method: 'POST', path, query: STRICT, body, signal } as const;
  const found = await requests.aggregations(request, severalAnswer);
  return join.some((_, i) => (found[`v${i}`]?.value ?? 0) !== (found[`d${i}`]?.doc_count ?? 0));
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
    const request = { method: 'POST', path, query: STRICT, body, signal } as const;
    const { joined } = await requests
      .aggregations(request, joinedAnswer)
      .catch((error: unknown) => {
        throw withoutIndex(error, related);
      });
    for (const { key, doc_count: count } of joined.buckets)
      yield { name: JSON.stringify(related.join.map((_, i) => String(key[`k${i}`]))), count };
    after = joined.after_key;
  } while (after !== undefined);
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
    .search({ method: 'POST', path, query: STRICT, body, signal, refuse: withoutCount })
    .catch((error: unknown) => {
      throw withoutIndex(error, related);
    });
  if (answer === 'too-large' || answer.total === undefined)
    throw new Error(`${related.index}: records were not counted`);
  return answer.total;
}
