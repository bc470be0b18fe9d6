import { isFault } from '../fault.js';
import { searchDocuments, type Documents, type DocumentsRequest } from './documents.js';
import { INDEX_MISSING } from './faults.js';
import type { Hit } from './hit.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import type { Requests } from './requests.js';

/** Hits asked for beyond one an id: the same id under several routings shows as more hits than ids. */
const SPARE_HITS = 16;

/** Messages of one concrete index. */
export interface MessagesRequest extends DocumentsRequest {
  readonly ids: readonly string[];
  /** Fields whose doc values the hits are to have, too. */
  readonly docValues?: readonly string[] | undefined;
}

/** Messages of one concrete index by id, an `ids` query in index order. Those that are gone are not among the hits. */
export async function searchMessages(
  requests: Requests,
  index: string,
  { ids, docValues = [], ...bounds }: MessagesRequest,
): Promise<Documents> {
  const size = Math.min(MAX_HITS, ids.length + SPARE_HITS);
  const body = jsonObject({
    size: String(size),
    query: jsonObject({ ids: jsonObject({ values: JSON.stringify(ids) }) }),
    sort: '["_doc"]',
    track_total_hits: 'false',
    seq_no_primary_term: 'true',
    docvalue_fields: docValues.length > 0 ? JSON.stringify(docValues) : undefined,
  });
  try {
    return await searchDocuments(requests, `/${indexPath(index)}/_search`, body, {
      ...bounds,
      size,
    });
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING)
      return { kind: 'hits', hits: [], bytes: 0, tookMs: 0 };
    throw error;
  }
}

/** Those of some ids that an index holds, without their documents; none where there is no such index. */
export async function existingMessages(
  requests: Requests,
  index: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const size = Math.min(MAX_HITS, ids.length + SPARE_HITS);
  const query = jsonObject({ ids: jsonObject({ values: JSON.stringify(ids) }) });
  const body = jsonObject({
    size: String(size),
    query,
    sort: '["_doc"]',
    _source: 'false',
    track_total_hits: 'false',
  });
  const path = `/${indexPath(index)}/_search`;
  try {
    const answer = await requests.search({ method: 'POST', path, query: STRICT, body, signal });
    if (answer === 'too-large') return await halves();
    // Ids that occur under many routings may have pushed others out of the answer.
    if (answer.hits.length >= size && ids.length > 1) return await halves();
    return new Set(answer.hits.map(({ id }) => id));
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) return new Set();
    throw error;
  }

  async function halves(): Promise<Set<string>> {
    const middle = Math.ceil(ids.length / 2);
    const some = await existingMessages(requests, index, ids.slice(0, middle), signal);
    const others = await existingMessages(requests, index, ids.slice(middle), signal);
    return new Set([...some, ...others]);
  }
}

/** Messages of one concrete index by id, with doc values of these fields instead of their documents. */
export async function searchFieldValues(
  requests: Requests,
  index: string,
  ids: readonly string[],
  fields: readonly string[],
  signal: AbortSignal,
): Promise<readonly Hit[]> {
  const body = jsonObject({
    size: String(Math.min(MAX_HITS, ids.length + SPARE_HITS)),
    query: jsonObject({ ids: jsonObject({ values: JSON.stringify(ids) }) }),
    sort: '["_doc"]',
    track_total_hits: 'false',
    _source: 'false',
    docvalue_fields: JSON.stringify(fields),
  });
  const path = `/${indexPath(index)}/_search`;
  try {
    const answer = await requests.search({ method: 'POST', path, query: STRICT, body, signal });
    if (answer === 'too-large')
      throw new Error(`${index}: the values of its messages exceed 64 MB`);
    return answer.hits;
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) return [];
    throw error;
  }
}

/** Whether a message is there; its document is not asked for. */
export async function messageExists(
  requests: Requests,
  index: string,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  const query = jsonObject({ ids: jsonObject({ values: JSON.stringify([id]) }) });
  const body = jsonObject({ size: '1', query, _source: 'false', track_total_hits: 'false' });
  const path = `/${indexPath(index)}/_search`;
  try {
    const answer = await requests.search({ method: 'POST', path, query: STRICT, body, signal });
    return answer !== 'too-large' && answer.hits.length > 0;
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) return false;
    throw error;
  }
}
