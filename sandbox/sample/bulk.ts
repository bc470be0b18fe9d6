import pRetry, { AbortError } from 'p-retry';
import type { SampleDocument } from './documents.js';

/** 4 MB bulks made a 1 GB heap answer 429 all the time. */
const BULK_BYTES = 2 * 1024 * 1024;
const IN_FLIGHT = 3;

/** Lines of one bulk request, of at most 2 MB (or one document). */
function* bulkBodies(documents: Iterable<SampleDocument>): Generator<string> {
  let lines: string[] = [];
  let bytes = 0;
  for (const { index, id, source } of documents) {
    const line = `${JSON.stringify({ index: { _index: index, _id: id } })}\n${source}\n`;
    const size = Buffer.byteLength(line);
    if (bytes > 0 && bytes + size > BULK_BYTES) {
      yield lines.join('');
      lines = [];
      bytes = 0;
    }
    lines.push(line);
    bytes += size;
  }
  if (bytes > 0) yield lines.join('');
}

/**
 * Indexes documents, a few requests at a time. Documents with a line break in their source can't go this way.
 *
 * @throws Error when a document is refused, or when the server is too busy for about a minute.
 */
export async function bulkIndex(url: string, documents: Iterable<SampleDocument>): Promise<void> {
  const bodies = bulkBodies(documents);
  const worker = async () => {
    for (const body of bodies) await send(url, '_bulk', 'POST', body, 'application/x-ndjson');
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

interface BulkAnswer {
  readonly errors?: boolean;
  readonly items?: readonly Record<string, { status: number; error?: { reason: string } }>[];
}

/**
 * One request, repeated while the server answers 429. Every document carries its id, so sending it twice is
 * harmless.
 *
 * @returns the answer's text.
 */
export async function send(
  url: string,
  path: string,
  method: 'PUT' | 'POST',
  body?: string,
  type = 'application/json',
): Promise<string> {
  return pRetry(
    async () => {
      const response = await fetch(`${url}/${path}`, {
        method,
        ...(body !== undefined && { body, headers: { 'content-type': type } }),
      });
      const text = await response.text();
      if (response.status === 429) throw new Error(`Elasticsearch is too busy: ${text}`);
      if (!response.ok)
        throw new AbortError(`${method} /${path} answered ${response.status}: ${text}`);
      if (path === '_bulk') checkItems(text);
      return text;
    },
    { retries: 8, minTimeout: 250, factor: 2, maxTimeout: 15_000, randomize: true },
  );
}

/** A bulk answers 200 even where it refused documents. */
function checkItems(text: string): void {
  const answer = JSON.parse(text) as BulkAnswer;
  if (!answer.errors) return;
  const refused = (answer.items ?? [])
    .flatMap((item) => Object.values(item))
    .filter((item) => item.error);
  const permanent = refused.find((item) => item.status !== 429);
  if (permanent) throw new AbortError(`a document was refused: ${permanent.error?.reason ?? text}`);
  throw new Error(`Elasticsearch was too busy for ${refused.length} documents`);
}
