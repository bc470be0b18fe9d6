import type { Interval } from '../../extract/types.js';
import type { Hit } from '../hit.js';
import type { IntervalScope } from '../pit.js';
import { jsonObject, rangeQuery } from '../query.js';
import type { ProbeSearches } from './searches.js';
import type { ProbedMessage } from './types.js';

const PARTS = 2;
const MESSAGES_OF_A_PART = 50;

/**
 * Up to 100 messages, half of them from each half of the interval, as they come: nothing is sorted or scored, so that a
 * search ends as soon as it has found enough.
 *
 * @param fields.configured whose values are needed
 * @param fields.candidates whose values are read as long as the answers do not get too large
 */
export async function sampleMessages(
  searches: ProbeSearches,
  { index, dateField, filter }: IntervalScope,
  interval: Interval,
  fields: { readonly configured: readonly string[]; readonly candidates: readonly string[] },
): Promise<ProbedMessage[]> {
  const messages: ProbedMessage[] = [];
  let read = [...fields.configured, ...fields.candidates];
  for (const part of partsOf(interval)) {
    const body = jsonObject({
      size: String(MESSAGES_OF_A_PART),
      query: rangeQuery(dateField, part, filter),
      sort: '["_doc"]',
      _source: 'false',
      track_total_hits: 'false',
      docvalue_fields: read.length > 0 ? JSON.stringify(read) : undefined,
    });
    const hits = await searches.search(index, body);
    // Another search would exceed what a probe may cost; without the candidates the next one fits.
    if (hits === 'too-large') read = [...fields.configured];
    else for (const hit of hits) messages.push(probedMessage(hit, read));
  }
  return messages;
}

/** A hit with the values of these fields, which the search asked for. */
export function probedMessage(hit: Hit, fields: readonly string[]): ProbedMessage {
  return { id: hit.id, index: hit.index, values: valuesByField(hit, fields) };
}

/** The values of these fields, which the search asked for; a field without any is left out. */
export function valuesByField(
  hit: Hit,
  fields: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, readonly string[]>();
  for (const field of fields) {
    const some = hit.valuesOf(field);
    if (some.length > 0) values.set(field, some);
  }
  return values;
}

/** Halves; the whole where it is too short to be cut. */
function partsOf({ from, to }: Interval): Interval[] {
  const bounds = Array.from({ length: PARTS + 1 }, (_, i) =>
    Math.floor(from + ((to - from) * i) / PARTS),
  );
  return bounds
    .slice(1)
    .map((end, i) => ({ from: bounds[i] ?? from, to: end }))
    .filter((part) => part.from < part.to);
}
