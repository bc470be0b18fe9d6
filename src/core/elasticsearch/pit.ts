import { z } from 'zod';
import type { Interval } from '../extract/types.js';
import { usage } from '../errors.js';
import { isFault, type Fault } from '../fault.js';
import { INDEX_MISSING, PIT_LOST, pointsInTimeLost, unsearchable } from './faults.js';
import type { Hit } from './hit.js';
import { indexPath, jsonObject, rangeQuery } from './query.js';
import { withoutCount, type Requests } from './requests.js';

/** How long a point in time outlives the last request that named it. */
const KEEP_ALIVE = '5m';
/** How often one is opened that is lost before it was of use. */
const PIT_TRIES = 3;

export interface IdPageRequest {
  readonly pitId: string;
  readonly interval: Interval;
  /** This reader's number, from 0, and how many there are. */
  readonly slice: number;
  readonly slices: number;
  /** The last page's cursor, JSON text; undefined for the first. */
  readonly searchAfter: string | undefined;
  readonly signal: AbortSignal;
}

export interface IdPage {
  /** Their ids in UTF-8: views into the answer, which is kept as long as one of them is. */
  readonly messages: readonly { readonly index: string; readonly id: Buffer }[];
  /** The cursor behind this page; undefined where it is empty. */
  readonly searchAfter: string | undefined;
  readonly pitId: string;
  /** True where nothing follows. */
  readonly last: boolean;
}

/** Which messages of an interval are meant; `filter` is JSON text. */
export interface IntervalScope {
  readonly index: string;
  readonly dateField: string;
  readonly filter?: string | undefined;
}

/** Messages of an interval now, counted exactly. */
export async function countInterval(
  requests: Requests,
  { index, dateField, filter }: IntervalScope,
  interval: Interval,
  signal: AbortSignal,
): Promise<number> {
  const query = rangeQuery(dateField, interval, filter);
  try {
    return await count(requests, `/${indexPath(index)}/_search`, query, undefined, signal);
  } catch (error) {
    throw withoutSource(error, index);
  }
}

/**
 * Opens a point in time over the index and counts the interval under it (invariant 2). One that is lost before that is
 * opened again.
 *
 * @throws MigrateError `unavailable` where one after the other is lost
 */
export async function openWindowPit(
  requests: Requests,
  { index, dateField, filter }: IntervalScope,
  interval: Interval,
  signal: AbortSignal,
): Promise<{ pitId: string; expected: number }> {
  const query = rangeQuery(dateField, interval, filter);
  for (let tries = 1; ; tries += 1) {
    const pitId = await openPit(requests, index, signal).catch((error: unknown) => {
      throw withoutSource(error, index);
    });
    try {
      return { pitId, expected: await count(requests, '/_search', query, pitId, signal) };
    } catch (error) {
      await closePit(requests, pitId);
      if (!isFault(error) || error.code !== PIT_LOST) throw error;
      if (tries === PIT_TRIES) throw pointsInTimeLost(error);
    }
  }
}

/** What `source.index` stood for when the run began is not there any more: that is no empty range. */
export function withoutSource(error: unknown, index: string): unknown {
  if (!isFault(error) || error.code !== INDEX_MISSING) return error;
  return usage(
    `the index ${index} (source.index) is gone`,
    'Restore it, or correct source.index.',
    error,
  );
}

const opened = z.object({ id: z.string().min(1) });

export async function openPit(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<string> {
  try {
    const { id } = await requests.json(
      {
        method: 'POST',
        path: `/${indexPath(index)}/_pit`,
        query: { keep_alive: KEEP_ALIVE, ...EVERY_INDEX },
        signal,
      },
      opened,
    );
    return id;
  } catch (error) {
    throw unsearchable(error);
  }
}

/** Never waits for a stopped run: closing is courtesy, the point in time expires by itself. */
export async function closePit(requests: Requests, pitId: string): Promise<void> {
  const body = jsonObject({ id: JSON.stringify(pitId) });
  const signal = AbortSignal.timeout(5000);
  await requests
    .bytes({ method: 'DELETE', path: '/_pit', body, signal, unless: () => true })
    .catch(() => undefined);
}

/** The `pit` member of a search under a point in time. */
export function pitMember(pitId: string): string {
  return jsonObject({ id: JSON.stringify(pitId), keep_alive: JSON.stringify(KEEP_ALIVE) });
}

/**
 * A page of ids in `_shard_doc` order: the cheapest there is.
 *
 * @param size most ids of the page, up to 10,000
 */
export async function readIdPage(
  requests: Requests,
  { dateField, filter }: IntervalScope,
  { pitId, interval, slice, slices, searchAfter, signal }: IdPageRequest,
  size: number,
): Promise<IdPage | 'pit-lost'> {
  const body = jsonObject({
    pit: pitMember(pitId),
    size: String(size),
    query: rangeQuery(dateField, interval, filter),
    _source: 'false',
    sort: '["_shard_doc"]',
    track_total_hits: 'false',
    slice: slices > 1 ? jsonObject({ id: String(slice), max: String(slices) }) : undefined,
    search_after: searchAfter,
  });
  try {
    const answer = await requests.search({
      method: 'POST',
      path: '/_search',
      query: WHOLE,
      body,
      signal,
      // A cursor that does not move would be followed for ever.
      refuse: ({ hits }) => unmovedCursor(hits, searchAfter),
      // Some of its shards may answer with a status that is worth a retry; the point in time is gone all the same.
      unless: ({ code }) => code === PIT_LOST,
    });
    if (answer === 'too-large') throw new Error('a page of ids exceeds 64 MB');
    const { hits, pitId: renamed } = answer;
    const last = hits.at(-1);
    return {
      messages: hits.map((hit) => ({ index: hit.index, id: hit.idBytes })),
      searchAfter: last?.sort,
      pitId: renamed ?? pitId,
      last: hits.length < size,
    };
  } catch (error) {
    if (isFault(error) && error.code === PIT_LOST) return 'pit-lost';
    throw error;
  }
}

/** For `refuse`, of a page that is to be gone on behind. */
export function unmovedCursor(
  hits: readonly Hit[],
  before: string | undefined,
): string | undefined {
  const last = hits.at(-1);
  if (last?.sort === '') return 'has hits without the sort values that were asked for';
  return last && last.sort === before ? 'ends where the page before it ended' : undefined;
}

/** Under a point in time, which has settled the indices: partial answers are errors, not answers. */
export const WHOLE = { allow_partial_search_results: false } as const;

/**
 * Or a pattern would pass over indices that are closed, and answer 200 with no hits where it matches no index at all: both look
 * like documents that are not there.
 */
const EVERY_INDEX = { allow_no_indices: false, expand_wildcards: 'open,closed' } as const;

/** For searches that name indices. */
export const STRICT = { ...WHOLE, ...EVERY_INDEX } as const;

async function count(
  requests: Requests,
  path: string,
  query: string,
  pitId: string | undefined,
  signal: AbortSignal,
): Promise<number> {
  const body = jsonObject({
    pit: pitId === undefined ? undefined : pitMember(pitId),
    size: '0',
    query,
    track_total_hits: 'true',
  });
  const unless = ({ code }: Fault) => code === PIT_LOST;
  const answer = await requests.search({
    method: 'POST',
    path,
    query: pitId === undefined ? STRICT : WHOLE,
    body,
    signal,
    refuse: withoutCount,
    unless,
  });
  if (answer === 'too-large') throw new Error('a count exceeds 64 MB');
  const { total } = answer;
  if (total === undefined) throw new Error('Elasticsearch counted nothing');
  return total;
}
