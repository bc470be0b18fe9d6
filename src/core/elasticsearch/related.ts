import { Fault, isFault } from '../fault.js';
import { usage } from '../errors.js';
import { parseSearch, type Hit } from './answer.js';
import { INDEX_MISSING, OUT_OF_MEMORY } from './faults.js';
import type { RelatedIndex } from './mappings.js';
import { searchDocuments } from './messages.js';
import { closePit, openPit, pitMember, STRICT } from './pit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import type { Requests } from './requests.js';
import type { Documents, DocumentsRequest } from './source.js';

/** Records of a message's page at first; grows and shrinks by the bytes seen. */
const FIRST_PAGE = 100;

/**
 * Records of one related index that belong to any of these messages, one `terms` search. Which message a
 * record belongs to is told by the key's doc values, which are what matched; its source is not looked into.
 */
export async function searchRecords(
  requests: Requests,
  related: RelatedIndex,
  { ids, maxBytes, signal }: DocumentsRequest,
): Promise<Documents> {
  const body = jsonObject({
    size: String(MAX_HITS),
    query: jsonObject({ terms: jsonObject({ [related.key]: JSON.stringify(ids) }) }),
    sort: `[${[...sortClause(related), '"_doc"'].join(',')}]`,
    track_total_hits: 'false',
    docvalue_fields: JSON.stringify([related.key]),
  });
  const path = `/${indexPath(related.index)}/_search`;
  try {
    return await searchDocuments(requests, path, body, { size: MAX_HITS, maxBytes, signal });
  } catch (error) {
    throw withoutIndex(error, related);
  }
}

/**
 * All records of one message, under a point in time, in pages of about `maxBytes` at most, ordered by `sort`.
 *
 * @throws Fault `request` `too_large` where one record alone exceeds `maxBytes`
 * @throws Fault `retriable` where fewer or more were read than counted
 */
export async function* readRecordPages(
  requests: Requests,
  related: RelatedIndex,
  messageId: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): AsyncGenerator<readonly Hit[]> {
  let pitId = await openPit(requests, related.index, signal).catch((error: unknown) => {
    throw withoutIndex(error, related);
  });
  let searchAfter: string | undefined;
  let size = FIRST_PAGE;
  let total: number | undefined;
  let read = 0;
  try {
    for (;;) {
      const body = jsonObject({
        pit: pitMember(pitId),
        size: String(size),
        query: jsonObject({ term: jsonObject({ [related.key]: JSON.stringify(messageId) }) }),
        sort: `[${[...sortClause(related), '"_shard_doc"'].join(',')}]`,
        track_total_hits: String(total === undefined),
        search_after: searchAfter,
      });
      const page = await onePage(requests, body, { maxBytes, signal });
      if (page === 'too-large') {
        if (size === 1) throw tooLarge(related, maxBytes);
        size = Math.ceil(size / 2);
        continue;
      }
      total ??= page.total;
      pitId = page.pitId ?? pitId;
      read += page.hits.length;
      const last = page.hits.at(-1);
      if (!last) break;
      yield page.hits;
      searchAfter = `[${last.sort.join(',')}]`;
      if (page.bytes * 4 < maxBytes) size = Math.min(MAX_HITS, size * 2);
    }
  } finally {
    await closePit(requests, pitId);
  }
  if (read !== total) {
    throw new Fault(
      'Elasticsearch',
      'retriable',
      'short_read',
      `${related.index}: read ${read} records of ${total ?? 0}`,
    );
  }
}

async function onePage(
  requests: Requests,
  body: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<
  | { hits: readonly Hit[]; total: number | undefined; pitId: string | undefined; bytes: number }
  | 'too-large'
> {
  try {
    const unless = ({ code }: Fault) => code === OUT_OF_MEMORY;
    const bytes = await requests.bytes({
      method: 'POST',
      path: '/_search',
      query: STRICT,
      body,
      maxBytes,
      signal,
      unless,
    });
    return bytes === 'too-large' ? bytes : { ...parseSearch(bytes), bytes: bytes.length };
  } catch (error) {
    if (isFault(error) && error.code === OUT_OF_MEMORY) return 'too-large';
    throw error;
  }
}

function sortClause({ sort }: RelatedIndex): string[] {
  if (!sort) return [];
  const { field, type, numericType } = sort;
  return [
    jsonObject({
      [field]: jsonObject({
        order: '"asc"',
        missing: '"_last"',
        unmapped_type: JSON.stringify(type),
        numeric_type: numericType && JSON.stringify(numericType),
      }),
    }),
  ];
}

/**
 * The contract's order of related records: by `sort`, missing values last, then index, then `_id`. Elasticsearch has
 * sorted by `sort` already; by `_id` it cannot where the cluster forbids loading that field.
 */
export function compareRecords(related: RelatedIndex, a: Hit, b: Hit): number {
  const bySort = related.sort ? compareSortValues(a.sort[0], b.sort[0]) : 0;
  return bySort || compareText(a.index, b.index) || compareText(a.id, b.id);
}

/** Sort values are JSON text: integers beyond 2^53 as well as strings, `null` where a string is missing. */
function compareSortValues(a = 'null', b = 'null'): number {
  if (a === b) return 0;
  if (a === 'null') return 1;
  if (b === 'null') return -1;
  if (INTEGER.test(a) && INTEGER.test(b)) {
    const [x, y] = [BigInt(a), BigInt(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  const strings = a.startsWith('"') && b.startsWith('"');
  if (strings) return compareText(JSON.parse(a) as string, JSON.parse(b) as string);
  // A missing floating-point value is sent as the string "Infinity".
  return Number(JSON.parse(a)) - Number(JSON.parse(b));
}

const INTEGER = /^-?\d+$/;

/** By UTF-8 bytes, as Elasticsearch orders keywords. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));
}

function withoutIndex(error: unknown, related: RelatedIndex): unknown {
  if (!isFault(error) || error.code !== INDEX_MISSING) return error;
  return usage(
    `the related index ${related.index} (source.related.${related.name}) is gone`,
    'Restore it, or take it out of the configuration.',
    error,
  );
}

function tooLarge(related: RelatedIndex, maxBytes: number): Fault {
  return new Fault(
    'Elasticsearch',
    'request',
    'too_large',
    `a record of ${related.index} alone exceeds ${maxBytes} bytes`,
  );
}
