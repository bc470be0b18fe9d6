import { isFault } from '../fault.js';
import type { Hit } from './hit.js';
import { OUT_OF_MEMORY } from './faults.js';
import { STRICT } from './pit.js';
import type { Requests } from './requests.js';

/** What a search of documents gave: its hits, or the reason why the same must be asked for in smaller pieces. */
export type Documents =
  | {
      readonly kind: 'hits';
      readonly hits: readonly Hit[];
      readonly bytes: number;
      readonly tookMs: number;
    }
  | { readonly kind: 'too-large'; readonly reason: TooLarge };

/** The answer exceeds the byte limit, the server's memory, or the most hits of one search. */
export type TooLarge = 'bytes' | 'server-memory' | 'hits';

/** A search of documents, bounded in bytes. */
export interface DocumentsRequest {
  /** Most bytes of the answer. */
  readonly maxBytes: number;
  /** Told how many bytes an answer has that exceeds them. */
  readonly beyond?: ((bytes: number) => void) | undefined;
  readonly signal: AbortSignal;
}

/**
 * One search of documents; `too-large` where its answer is too long, or may be only a part: as many hits as `size`
 * asked for.
 */
export async function searchDocuments(
  requests: Requests,
  path: string,
  body: string,
  { size, maxBytes, beyond, signal }: DocumentsRequest & { readonly size: number },
): Promise<Documents> {
  try {
    const answer = await requests.search({
      method: 'POST',
      path,
      query: STRICT,
      body,
      maxBytes,
      beyond,
      signal,
      unless: ({ code }) => code === OUT_OF_MEMORY,
    });
    if (answer === 'too-large') return { kind: 'too-large', reason: 'bytes' };
    const { hits, bytes, tookMs } = answer;
    if (hits.length >= size) return { kind: 'too-large', reason: 'hits' };
    return { kind: 'hits', hits, bytes, tookMs };
  } catch (error) {
    if (isFault(error) && error.code === OUT_OF_MEMORY)
      return { kind: 'too-large', reason: 'server-memory' };
    throw error;
  }
}
