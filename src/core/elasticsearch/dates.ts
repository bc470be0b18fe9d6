import { isFault } from '../fault.js';
import { STRICT, unmovedCursor, withoutSource, type IntervalScope } from './pit.js';
import { indexPath, jsonObject } from './query.js';
import { withoutCount, type Request, type Requests } from './requests.js';

/** What a Date can hold; Elasticsearch's dates reach further. */
const FURTHEST_MS = 8.64e15;

/**
 * The earliest and the latest value of a date field, both inclusive, in milliseconds since the epoch, UTC; at most 8.64e15 away
 * from it, however far they are.
 */
export interface DateSpan {
  readonly first: number;
  readonly last: number;
}

/**
 * Documents that match the filter and have no value of the date field which Elasticsearch could read: the field is missing, or
 * malformed under `ignore_malformed`. They lie in no range. One search without hits.
 */
export async function countUndated(
  requests: Requests,
  { index, dateField, filter }: IntervalScope,
  signal: AbortSignal,
): Promise<number> {
  const query = jsonObject({
    bool: jsonObject({
      must_not: `[${existsQuery(dateField)}]`,
      filter: filter === undefined ? undefined : `[${filter}]`,
    }),
  });
  const body = jsonObject({ size: '0', query, track_total_hits: 'true' });
  const answer = await search(requests, index, body, signal, withoutCount);
  if (answer?.total === undefined) throw new Error('Elasticsearch counted nothing');
  return answer.total;
}

/**
 * Between which instants the values of the date field lie, of the documents that match the filter; undefined where none has one,
 * or Elasticsearch cannot sort by the field. Two searches for one hit each: sorting skips what cannot come first, where an
 * aggregation reads the value of each document that matches.
 */
export async function dateSpan(
  requests: Requests,
  scope: IntervalScope,
  signal: AbortSignal,
): Promise<DateSpan | undefined> {
  try {
    const first = await outermost(requests, scope, 'asc', signal);
    const last = await outermost(requests, scope, 'desc', signal);
    return first === undefined || last === undefined ? undefined : { first, last };
  } catch (error) {
    // A field without doc values cannot be sorted by. The range is empty all the same, and that is what matters.
    if (isFault(error) && error.class === 'request') return undefined;
    throw error;
  }
}

async function outermost(
  requests: Requests,
  { index, dateField, filter }: IntervalScope,
  order: 'asc' | 'desc',
  signal: AbortSignal,
): Promise<number | undefined> {
  const filters = [existsQuery(dateField), ...(filter === undefined ? [] : [filter])];
  // Also of a field with nanoseconds the value comes in milliseconds.
  const by = { [dateField]: { order, numeric_type: 'date', unmapped_type: 'date' } };
  const body = jsonObject({
    size: '1',
    query: jsonObject({ bool: jsonObject({ filter: `[${filters.join(',')}]` }) }),
    sort: JSON.stringify([by]),
    _source: 'false',
    track_total_hits: 'false',
  });
  const refuse: Request['refuse'] = ({ hits }) => unmovedCursor(hits, undefined);
  const sort = (await search(requests, index, body, signal, refuse))?.hits[0]?.sort;
  const [value] = sort === undefined ? [] : (JSON.parse(sort) as unknown[]);
  if (typeof value !== 'number') return undefined;
  return Math.min(FURTHEST_MS, Math.max(-FURTHEST_MS, value));
}

function existsQuery(field: string): string {
  return jsonObject({ exists: jsonObject({ field: JSON.stringify(field) }) });
}

async function search(
  requests: Requests,
  index: string,
  body: string,
  signal: AbortSignal,
  refuse?: Request['refuse'],
) {
  const path = `/${indexPath(index)}/_search`;
  try {
    const answer = await requests.search({
      method: 'POST',
      path,
      query: STRICT,
      body,
      signal,
      ...(refuse && { refuse }),
    });
    return answer === 'too-large' ? undefined : answer;
  } catch (error) {
    throw withoutSource(error, index);
  }
}
