import { groupBy } from '../group-by.js';
import { pointsInTimeLost } from '../elasticsearch/faults.js';
import { relatedFor, type RelatedIndex, type RelatedSource } from '../elasticsearch/join.js';
import { BROKEN_READ } from '../elasticsearch/related.js';
import type { Source } from '../elasticsearch/source.js';
import { isFault } from '../fault.js';
import { createSpool } from '../objects/spool.js';
import { reached } from '../steps.js';
import type { ClaimedBatch, ClaimedMessage } from '../tracking/claims.js';
import type { BatchObject, FailedMessage, MessageOutcome } from '../tracking/outcomes.js';
import type { Budget, Reservation } from './budget.js';
import { assembleDocument } from './document.js';
import { fetchLarge } from './fetch-large.js';
import { failure, fetchMessages } from './fetch.js';
import type { PageSize } from './page-size.js';
import type { MemoryShares } from './shares.js';
import { Slab } from './slab.js';
import type { BatchWriter } from './writer.js';

/** How often the records of one message are read from the start. */
const LARGE_TRIES = 3;
/** What is kept of a message that waits to be written, besides its document. */
const MESSAGE_BYTES = 2 << 10;

/** What all batches of a process share. */
export interface Workshop {
  readonly source: Source;
  readonly related: readonly RelatedSource[];
  readonly budget: Budget;
  readonly shares: MemoryShares;
  readonly pageSize: PageSize;
  /** This process's staging directory. */
  readonly staging: string;
}

/** The same for messages of one index. */
interface IndexWorkshop extends Omit<Workshop, 'related'> {
  readonly related: readonly RelatedIndex[];
}

export interface BatchOutcome {
  readonly outcomes: readonly MessageOutcome[];
  readonly object?: BatchObject;
}

/**
 * Takes a claimed batch from Elasticsearch to the target: fetch, assemble, upload. Changes no row.
 *
 * @throws what concerns more than single messages; the batch is then to be released
 */
export async function carryBatch(
  workshop: Workshop,
  batch: Pick<ClaimedBatch, 'messages'>,
  writer: BatchWriter,
  signal: AbortSignal,
): Promise<BatchOutcome> {
  const failed: FailedMessage[] = [];
  try {
    for (const [index, messages] of groupBy(batch.messages, (message) => message.index)) {
      const own = { ...workshop, related: relatedFor(workshop.related, index) };
      failed.push(...(await carryMessages(own, messages, writer, signal)));
    }
    signal.throwIfAborted();
    const written = await writer.finish();
    return { ...written, outcomes: [...failed, ...written.outcomes] };
  } finally {
    await writer.discard();
  }
}

const TOO_LARGE = { kind: 'too-large' } as const;

/** Messages of one index, page by page, each as large as the answers so far allow. */
async function carryMessages(
  workshop: IndexWorkshop,
  messages: readonly ClaimedMessage[],
  writer: BatchWriter,
  signal: AbortSignal,
): Promise<FailedMessage[]> {
  const failed: FailedMessage[] = [];
  for (let next = 0; next < messages.length;) {
    const page = messages.slice(next, next + workshop.pageSize.next());
    failed.push(...(await carryTogether(workshop, page, writer, signal)));
    next += page.length;
  }
  return failed;
}

/** A page in one piece where that fits, else its halves, down to single messages, which are read alone. */
async function carryTogether(
  workshop: IndexWorkshop,
  page: readonly ClaimedMessage[],
  writer: BatchWriter,
  signal: AbortSignal,
): Promise<readonly FailedMessage[]> {
  const { budget, shares } = workshop;
  signal.throwIfAborted();
  const held = await budget.reserve(shares.pageHold);
  const carried = await carryPage(workshop, page, writer, signal, held);
  if (carried !== 'too-large') return carried;
  const [only, another] = page;
  if (only && !another) {
    return budget.holding(shares.largeHold, () => carryLarge(workshop, only, writer, signal));
  }
  const half = Math.ceil(page.length / 2);
  const first = await carryTogether(workshop, page.slice(0, half), writer, signal);
  return [...first, ...(await carryTogether(workshop, page.slice(half), writer, signal))];
}

/**
 * Reads a page and hands its documents to the writer. Returns when they are taken, not when they are written: the next page
 * is read meanwhile. Until then they stay counted in `held`, which is given back in any case.
 */
async function carryPage(
  workshop: IndexWorkshop,
  page: readonly ClaimedMessage[],
  writer: BatchWriter,
  signal: AbortSignal,
  held: Reservation,
): Promise<readonly FailedMessage[] | 'too-large'> {
  try {
    const carried = await writePage(workshop, page, writer, signal);
    // The answers are no longer needed.
    held.shrink(carried.kind === 'written' ? carried.bytes : 0);
    return carried.kind === 'written' ? carried.failed : 'too-large';
  } finally {
    // A writer's failure is reported by its `add` or `finish`.
    void writer
      .flush()
      .catch(() => undefined)
      .then(() => held.release());
  }
}

type WrittenPage =
  | {
      readonly kind: 'written';
      readonly failed: readonly FailedMessage[];
      /** What its documents take in memory. */
      readonly bytes: number;
    }
  | typeof TOO_LARGE;

async function writePage(
  { source, related, shares, pageSize }: IndexWorkshop,
  page: readonly ClaimedMessage[],
  writer: BatchWriter,
  signal: AbortSignal,
): Promise<WrittenPage> {
  const request = { source, related, maxBytes: shares.pageBytes, signal };
  const fetched = await fetchMessages(request, page).catch((error: unknown) => {
    // Elasticsearch will not answer this, however often it is asked: message by message it says for which.
    if (isFault(error) && error.class === 'request') return TOO_LARGE;
    throw error;
  });
  if (fetched.kind === 'too-large') return TOO_LARGE;
  reached('records-read');
  pageSize.saw(page.length, fetched);
  const slab = new Slab(shares.pageBytes);
  for (const { message, hit, related: records, revision, counts } of fetched.messages) {
    const document = assembleDocument(message, hit, records, slab);
    await writer.add(message, { kind: 'bytes', bytes: document }, revision, counts);
  }
  const bytes = slab.taken + fetched.messages.length * MESSAGE_BYTES;
  return { kind: 'written', failed: fetched.failed, bytes };
}

async function carryLarge(
  { source, related, shares, staging }: IndexWorkshop,
  message: ClaimedMessage,
  writer: BatchWriter,
  signal: AbortSignal,
): Promise<FailedMessage[]> {
  for (let tries = 1; ; tries += 1) {
    const spool = createSpool({ memoryLimit: shares.spoolBytes, directory: staging });
    try {
      const request = { source, related, maxBytes: shares.largeBytes, signal, spool };
      const fetched = await fetchLarge(request, message);
      if (fetched.kind === 'failed') return [fetched];
      const { content, revision, counts } = fetched;
      await writer.add(message, { kind: 'staged', content }, revision, counts);
      await writer.flush();
      return [];
    } catch (error) {
      if (!isFault(error) || error.class !== 'request') throw error;
      if (error.code !== BROKEN_READ) return [failure(message, 'source_refused', error.message)];
      // No message's fault: the batch is given back, and it pays no attempt.
      if (tries === LARGE_TRIES) throw pointsInTimeLost(error);
    } finally {
      await spool.discard();
    }
  }
}
