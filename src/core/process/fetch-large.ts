import type { Hit } from '../elasticsearch/answer.js';
import type { RelatedIndex } from '../elasticsearch/mappings.js';
import { compareRecords } from '../elasticsearch/related.js';
import { onOneLine } from '../elasticsearch/scan.js';
import { isFault } from '../fault.js';
import type { Spool } from '../objects/spool.js';
import type { Content } from '../objects/target.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { FailedMessage } from '../tracking/outcomes.js';
import { arrayEnd, arrayStart, documentEnd, documentHead, recordSeparator } from './document.js';
import { failure, idOf, pickFound, sourceOf, unindexedKey, type FetchRequest } from './fetch.js';

export interface LargeFetchRequest extends FetchRequest {
  /** Most bytes of the message alone, and of one page of its records. */
  readonly maxBytes: number;
  readonly spool: Spool;
}

/**
 * Reads one message that does not fit a page with others, and writes its document to a spool: its source in one
 * piece, its records page by page, however many there are.
 */
export async function fetchLarge(
  request: LargeFetchRequest,
  message: ClaimedMessage,
): Promise<{ kind: 'fetched'; content: Content } | FailedMessage> {
  const { related, spool } = request;
  const unindexed = unindexedKey(related, message);
  if (unindexed) return failure(message, 'unindexed_key', unindexed);
  const source = await messageAlone(request, message);
  if ('kind' in source) return source;
  try {
    for (const part of documentHead(message, source.bytes)) await spool.write(part);
    for (const one of related) await writeRecords(request, one, message);
    await spool.write(documentEnd);
    return { kind: 'fetched', content: await spool.finish() };
  } catch (error) {
    if (isFault(error) && error.code === 'too_large')
      return failure(message, 'too_large', error.message);
    throw error;
  }
}

async function messageAlone(
  { source, maxBytes, signal }: LargeFetchRequest,
  message: ClaimedMessage,
): Promise<{ bytes: Buffer } | FailedMessage> {
  const { index } = message;
  const id = idOf(message);
  const ask = () => source.messages(index, { ids: [id], maxBytes, signal });
  let answer = await ask();
  if (answer.kind === 'too-large' && answer.reason === 'server-memory') {
    // Is it this document, or is the server short of memory for whatever is asked? The cheapest question is
    // answered once the server has recovered; a document refused after that is too large by itself.
    await source.exists(index, id, signal);
    answer = await ask();
  }
  if (answer.kind === 'too-large') {
    const why = {
      bytes: `the message alone exceeds the ${maxBytes} bytes that limits.maxInFlightBytes leaves for it`,
      'server-memory': "Elasticsearch's circuit breaker refuses the message alone",
      hits: `${index} has many documents of this id, under different routings`,
    };
    return failure(
      message,
      answer.reason === 'hits' ? 'ambiguous_id' : 'too_large',
      why[answer.reason],
    );
  }
  const failed: FailedMessage[] = [];
  const [found] = pickFound([message], answer.hits, failed);
  return found ? { bytes: found.source } : (failed[0] ?? failure(message, 'missing', 'not found'));
}

async function writeRecords(
  { source, maxBytes, signal, spool }: LargeFetchRequest,
  related: RelatedIndex,
  message: ClaimedMessage,
): Promise<void> {
  await spool.write(arrayStart(related.name));
  let first = true;
  const pages = source.recordPages(related, idOf(message), { maxBytes, signal });
  for await (const run of inOrder(related, pages)) {
    for (const hit of run) {
      if (!first) await spool.write(recordSeparator);
      first = false;
      await spool.write(onOneLine(sourceOf(related, hit)));
    }
  }
  await spool.write(arrayEnd);
}

/**
 * Records in the contract's order. Elasticsearch sorts by `sort` alone; those with equal values are put in order here,
 * also where they reach over several pages.
 */
async function* inOrder(
  related: RelatedIndex,
  pages: AsyncIterable<readonly Hit[]>,
): AsyncGenerator<readonly Hit[]> {
  let tied: Hit[] = [];
  for await (const page of pages) {
    const last = page.at(-1);
    if (!last) continue;
    const whole = [...tied, ...page];
    // The last value may go on in the next page.
    const cut = whole.findIndex((hit) => sameSort(related, hit, last));
    yield whole.slice(0, cut).sort((a, b) => compareRecords(related, a, b));
    tied = whole.slice(cut);
  }
  yield tied.sort((a, b) => compareRecords(related, a, b));
}

function sameSort({ sort }: RelatedIndex, a: Hit, b: Hit): boolean {
  return sort === undefined || a.sort[0] === b.sort[0];
}
