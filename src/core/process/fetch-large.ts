import { byIndexAndId, type Hit } from '../elasticsearch/hit.js';
import { fieldsOfMessages, refuseUnknown, type RelatedIndex } from '../elasticsearch/join.js';
import { sortValue, type JoinValues } from '../elasticsearch/related.js';
import { Fault, isFault } from '../fault.js';
import type { Spool } from '../objects/spool.js';
import type { Content } from '../objects/target.js';
import { reached } from '../steps.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { FailedMessage, RecordCount } from '../tracking/outcomes.js';
import { arrayEnd, arrayStart, documentEnd, documentStart, recordSeparator } from './document.js';
import {
  failure,
  idOf,
  pickFound,
  unindexedId,
  unindexedValue,
  type FetchRequest,
} from './fetch.js';
import { joinValuesOf } from './join-table.js';
import { Revision } from './revision.js';

export interface LargeFetchRequest extends FetchRequest {
  /** Most bytes of the message alone, and of one page of its records. */
  readonly maxBytes: number;
  readonly spool: Spool;
}

export interface FetchedLarge {
  readonly kind: 'fetched';
  readonly content: Content;
  /** How many records there are of each related index. */
  readonly counts: readonly RecordCount[];
  /** See Revision. */
  readonly revision: number | undefined;
}

/**
 * Reads one message that does not fit a page with others, and writes its document to a spool: its source in one
 * piece, its records page by page, however many there are.
 */
export async function fetchLarge(
  request: LargeFetchRequest,
  message: ClaimedMessage,
): Promise<FetchedLarge | FailedMessage> {
  const { related, spool } = request;
  const unindexed = unindexedId(related, message);
  if (unindexed) return failure(message, 'unindexed_key', unindexed);
  try {
    const revision = new Revision();
    const written = await writeMessage(request, message, revision);
    if ('kind' in written) return written;
    const counts: RecordCount[] = [];
    for (const [i, one] of related.entries()) {
      const values = written.values[i];
      const records = await writeRecords(request, one, values, revision);
      counts.push(values ? records : 'no value');
    }
    await spool.write(documentEnd);
    const content = await spool.finish();
    reached('document-staged');
    return { kind: 'fetched', content, counts, revision: revision.value };
  } catch (error) {
    if (isFault(error) && error.code === 'too_large')
      return failure(message, 'too_large', error.message);
    throw error;
  }
}

/**
 * The document up to and with the message's source, and the values of its joins. A function of its own: its bytes are let go
 * before records are read.
 */
async function writeMessage(
  request: LargeFetchRequest,
  message: ClaimedMessage,
  revision: Revision,
): Promise<{ readonly values: readonly (JoinValues | undefined)[] } | FailedMessage> {
  const found = await messageAlone(request, message);
  if ('kind' in found) return found;
  refuseUnknown(request.related, message.index);
  const joined = { message, hit: found.hit };
  const unindexed = unindexedValue(request.related, joined);
  if (unindexed) return failure(message, 'unindexed_key', unindexed);
  revision.add(found.hit);
  await request.spool.write(Buffer.from(documentStart(message)));
  await writeSource(request.spool, found.hit);
  return { values: request.related.map((one) => joinValuesOf(one, joined)) };
}

async function messageAlone(
  { source, related, maxBytes, signal }: LargeFetchRequest,
  message: ClaimedMessage,
): Promise<{ hit: Hit } | FailedMessage> {
  const { index } = message;
  const id = idOf(message);
  let bytes = 0;
  const beyond = (length: number) => (bytes = length);
  const docValues = fieldsOfMessages(related);
  const ask = () => source.messages(index, { ids: [id], docValues, maxBytes, beyond, signal });
  let answer = await ask();
  if (answer.kind === 'too-large' && answer.reason === 'server-memory') {
    // Is it this document, or is the server short of memory for whatever is asked? The cheapest question is
    // answered once the server has recovered; a document refused after that is too large by itself.
    await source.exists(index, id, signal);
    answer = await ask();
  }
  if (answer.kind === 'too-large') {
    const why = {
      bytes: `the message alone has ${bytes} bytes; of this process's share of limits.maxInFlightBytes one may have ${maxBytes}`,
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
  return found ?? failed[0] ?? failure(message, 'missing', 'not found');
}

async function writeRecords(
  { source, maxBytes, signal, spool }: LargeFetchRequest,
  related: RelatedIndex,
  values: JoinValues | undefined,
  revision: Revision,
): Promise<number> {
  await spool.write(Buffer.from(arrayStart(related.name)));
  revision.list(related.name);
  let count = 0;
  const pages =
    values && !related.absent ? source.recordPages(related, values, { maxBytes, signal }) : NONE;
  for await (const run of inOrder(related, pages, maxBytes)) {
    for (const hit of run) {
      if (count > 0) await spool.write(recordSeparator);
      count += 1;
      revision.add(hit);
      await writeSource(spool, hit);
    }
  }
  await spool.write(arrayEnd);
  return count;
}

/** No page of records. */
const NONE: AsyncIterable<readonly Hit[]> = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
};

async function writeSource(spool: Spool, { index, id, source }: Hit): Promise<void> {
  if (!source) throw new Error(`${index}: ${id} has no source to be written`);
  await spool.write(source);
}

/**
 * Records in the contract's order, those of equal `sort` values together. Elasticsearch sorts by `sort` alone; equal ones
 * are put in order here, however many pages they reach over.
 *
 * @throws Fault `request` `too_large` where those of one value exceed `maxBytes`: they are in memory together
 */
async function* inOrder(
  related: RelatedIndex,
  pages: AsyncIterable<readonly Hit[]>,
  maxBytes: number,
): AsyncGenerator<readonly Hit[]> {
  let tied: Hit[] = [];
  let value: string | undefined;
  let bytes = 0;
  for await (const page of pages) {
    for (const hit of page) {
      const before = value;
      value = sortValue(related, hit);
      if (before !== undefined && before !== value) {
        yield tied.sort(byIndexAndId);
        tied = [];
        bytes = 0;
      }
      tied.push(hit);
      bytes += hit.sourceBytes;
      if (bytes > maxBytes) throw tooManyTied(related, maxBytes);
    }
  }
  yield tied.sort(byIndexAndId);
}

function tooManyTied({ index, sort }: RelatedIndex, maxBytes: number): Fault {
  const which = sort ? `with the same ${sort.field}` : 'without a sort field';
  return new Fault(
    'Elasticsearch',
    'request',
    'too_large',
    `its records ${which} in ${index} exceed the ${maxBytes} bytes in which they can be put in order`,
  );
}
