import { Fault, isFault } from '../fault.js';
import { usage } from '../errors.js';
import { searchDocuments, type Documents, type DocumentsRequest } from './documents.js';
import { INDEX_MISSING, OUT_OF_MEMORY, PIT_LOST } from './faults.js';
import type { RelatedIndex } from './join.js';
import { closePit, openPit, pitMember, unmovedCursor, WHOLE } from './pit.js';
import { byIndexAndId, type Hit } from './hit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import type { Requests } from './requests.js';

/** Records of a message's page at first; grows and shrinks by the bytes seen. */
const FIRST_PAGE = 100;
/** What was read so far of a message's records is of no use; reading them again may succeed. */
export const BROKEN_READ = 'broken_read';

/** For each field of a join, in its order, the values that a record may have there. */
export type JoinValues = readonly (readonly string[])[];

/**
 * Records of one related index that have one of the values in each field of the join, one search. Which message a
 * record belongs to follows from the keys' doc values, which are what matched; its source is not looked into. Where a join
 * has several fields, there may be records among them whose values belong to different messages.
 */
export async function searchRecords(
  requests: Requests,
  related: RelatedIndex,
  values: JoinValues,
  { maxBytes, signal }: DocumentsRequest,
): Promise<Documents> {
  const body = jsonObject({
    size: String(MAX_HITS),
    query: joinQuery(related, values),
    // Nothing behind it: what is equal is put in order here, and one value is compared faster than two.
    sort: `[${sortClause(related) ?? '"_doc"'}]`,
    track_total_hits: 'false',
    seq_no_primary_term: 'true',
    docvalue_fields: JSON.stringify(related.join.map(({ key }) => key)),
  });
  const path = `/${indexPath(related.index)}/_search`;
  try {
    return await searchDocuments(requests, path, body, { size: MAX_HITS, maxBytes, signal });
  } catch (error) {
    throw withoutIndex(error, related);
  }
}

/**
 * All records of one message, under a point in time, ordered by `sort`, in pages of a quarter of `maxBytes` at most, or
 * of one record.
 *
 * @throws Fault `request` `too_large` where one record alone exceeds `maxBytes`
 * @throws Fault `request` `broken_read` where the point in time is lost, or not as many were read as counted: what was
 *   read is of no use then, but reading from the start may succeed
 */
export async function* readRecordPages(
  requests: Requests,
  related: RelatedIndex,
  values: JoinValues,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): AsyncGenerator<readonly Hit[]> {
  let pitId = await openPit(requests, related.index, signal).catch((error: unknown) => {
    throw withoutIndex(error, related);
  });
  let searchAfter: string | undefined;
  let refusedAlone = false;
  let alone: number | undefined;
  let size = FIRST_PAGE;
  let total: number | undefined;
  let read = 0;
  try {
    for (;;) {
      const query = {
        pit: pitMember(pitId),
        query: joinQuery(related, values),
        sort: `[${[sortClause(related) ?? [], '"_shard_doc"'].flat().join(',')}]`,
        search_after: searchAfter,
      };
      const page = await onePage(
        requests,
        jsonObject({
          ...query,
          size: String(size),
          seq_no_primary_term: 'true',
          track_total_hits: String(total === undefined),
        }),
        size === 1
          ? { maxBytes, beyond: (bytes) => (alone = bytes), signal }
          : { maxBytes: Math.ceil(maxBytes / 4), signal },
        searchAfter,
      );
      if (page === 'too-long' || page === 'server-memory') {
        if (size > 1) {
          size = Math.ceil(size / 2);
          continue;
        }
        if (page === 'too-long' || refusedAlone) throw tooLarge(related, alone, maxBytes);
        // Is it this record, or is the server short of memory for whatever is asked? The cheapest question is answered
        // once the server has recovered; a record refused after that is too large by itself.
        refusedAlone = true;
        await waitForMemory(
          requests,
          jsonObject({ ...query, size: '1', _source: 'false' }),
          signal,
        );
        continue;
      }
      refusedAlone = false;
      total ??= page.total;
      pitId = page.pitId ?? pitId;
      read += page.hits.length;
      // Without this, a server that never comes to the end would be read for ever.
      if (read > (total ?? 0)) break;
      const last = page.hits.at(-1);
      if (!last) break;
      yield page.hits;
      searchAfter = last.sort;
      if (page.bytes * 8 < maxBytes) size = Math.min(MAX_HITS, size * 2);
    }
  } catch (error) {
    if (isFault(error) && error.code === PIT_LOST) throw brokenRead(error.message);
    throw error;
  } finally {
    await closePit(requests, pitId);
  }
  if (read !== total) throw brokenRead(`${related.index}: read ${read} records of ${total ?? 0}`);
}

async function onePage(
  requests: Requests,
  body: string,
  { maxBytes, beyond, signal }: DocumentsRequest,
  searchAfter: string | undefined,
): Promise<
  | { hits: readonly Hit[]; total: number | undefined; pitId: string | undefined; bytes: number }
  | 'too-long'
  | 'server-memory'
> {
  try {
    const unless = ({ code }: Fault) => code === OUT_OF_MEMORY || code === PIT_LOST;
    const answer = await requests.search({
      method: 'POST',
      path: '/_search',
      query: WHOLE,
      body,
      maxBytes,
      beyond,
      signal,
      refuse: ({ hits }) => unmovedCursor(hits, searchAfter),
      unless,
    });
    return answer === 'too-large' ? 'too-long' : answer;
  } catch (error) {
    if (isFault(error) && error.code === OUT_OF_MEMORY) return 'server-memory';
    throw error;
  }
}

/** Records that have one of the values in each field of the join. */
export function joinQuery({ join }: Pick<RelatedIndex, 'join'>, values: JoinValues): string {
  const terms = join.map(({ key }, i) =>
    jsonObject({ terms: jsonObject({ [key]: JSON.stringify(values[i] ?? []) }) }),
  );
  return jsonObject({ bool: jsonObject({ filter: `[${terms.join(',')}]` }) });
}

/** Asks for a record without its source, retried by the one policy until it is answered. */
async function waitForMemory(requests: Requests, body: string, signal: AbortSignal): Promise<void> {
  const unless = ({ code }: Fault) => code === PIT_LOST;
  await requests.search({ method: 'POST', path: '/_search', query: WHOLE, body, signal, unless });
}

function sortClause({ sort }: RelatedIndex): string | undefined {
  if (!sort) return undefined;
  const { field, type, numericType } = sort;
  return jsonObject({
    [field]: jsonObject({
      order: '"asc"',
      missing: '"_last"',
      unmapped_type: JSON.stringify(type),
      numeric_type: numericType && JSON.stringify(numericType),
    }),
  });
}

/**
 * Records that Elasticsearch has sorted, in the contract's order: by `sort`, missing values last, then index, then `_id`.
 * How values compare depends on their type (an `ip` is no text), so that order is kept; only records with equal values
 * are put in order here, since by `_id` Elasticsearch cannot where the cluster forbids loading that field.
 */
export function orderRecords(related: RelatedIndex, sorted: readonly Hit[]): readonly Hit[] {
  const isEqual = (a: Hit, b: Hit) => related.sort === undefined || a.sortsLike(b);
  const hasEqual = sorted.some((hit, i) => {
    const next = sorted[i + 1];
    return next !== undefined && isEqual(hit, next);
  });
  if (!hasEqual) return sorted;
  let rank = 0;
  const ranked = sorted.map((hit, i) => {
    const before = sorted[i - 1];
    if (before && !isEqual(before, hit)) rank += 1;
    return { hit, rank };
  });
  ranked.sort((a, b) => a.rank - b.rank || byIndexAndId(a.hit, b.hit));
  return ranked.map(({ hit }) => hit);
}

/** What a record read by `readRecordPages` is sorted by, as text; the same for all where there is no `sort`. */
export function sortValue({ sort: by }: RelatedIndex, { sort }: Hit): string {
  // Behind it stands `_shard_doc`, a number.
  return by ? sort.slice(0, sort.lastIndexOf(',')) : '';
}

/** Says which setting named a related index that is not there any more. */
export function withoutIndex(
  error: unknown,
  related: Pick<RelatedIndex, 'name' | 'index'>,
): unknown {
  if (!isFault(error) || error.code !== INDEX_MISSING) return error;
  return usage(
    `the related index ${related.index} (source.related.${related.name}) is gone`,
    'Restore it, or take it out of the configuration.',
    error,
  );
}

function brokenRead(message: string): Fault {
  return new Fault('Elasticsearch', 'request', BROKEN_READ, message);
}

/** `bytes` it has, where Elasticsearch would give it. */
function tooLarge({ index }: RelatedIndex, bytes: number | undefined, maxBytes: number): Fault {
  const message =
    bytes === undefined
      ? `Elasticsearch's circuit breaker refuses a record of ${index} alone`
      : `a record of ${index} alone has ${bytes} bytes; of this process's share of limits.maxInFlightBytes one may have ${maxBytes}`;
  return new Fault('Elasticsearch', 'request', 'too_large', message);
}
