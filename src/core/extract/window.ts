import type { IdPage } from '../elasticsearch/pit.js';
import { pointsInTimeLost } from '../elasticsearch/faults.js';
import type { Source } from '../elasticsearch/source.js';
import { reached } from '../steps.js';
import type { Database } from '../tracking/database.js';
import type { IndexNames } from '../tracking/indices.js';
import { LeaseLost } from '../tracking/heartbeat.js';
import type { PageStore } from '../tracking/pages.js';
import {
  closeWindow,
  openWindow,
  windowCursors,
  windowRead,
  type Cursor,
  type HeldJob,
  type Window,
} from '../tracking/windows.js';
import type { ReadIndices } from './read-indices.js';

export interface WindowReading {
  readonly database: Database;
  readonly source: Source;
  readonly store: PageStore;
  readonly indices: IndexNames;
  readonly readIndices: ReadIndices;
  readonly job: HeldJob;
  readonly slices: number;
  /** Aborted when the run stops or the lease is lost. */
  readonly signal: AbortSignal;
  readonly onPage: (page: { readonly messages: number; readonly batches: number }) => void;
}

/** How often one window is begun before it counts as failed, or Elasticsearch as unable to hold a point in time. */
const TRIES = 3;

/**
 * Reads one window to its end and closes it. It goes on where an earlier reader stopped, as long as that one's point in
 * time lives; a lost one costs the window, which is begun again. Done only when what was read equals
 * what Elasticsearch counts under the same point in time (invariant 2).
 *
 * @returns undefined when the window is completed, else why it is not
 * @throws MigrateError `unavailable` where one point in time after the other is lost
 */
export async function readWindow(
  reading: WindowReading,
  window: Window,
): Promise<string | undefined> {
  const { database, job } = reading;
  let reason = '';
  let open =
    window.pitId === undefined ? undefined : { pitId: window.pitId, expected: window.expected };
  for (let tries = 0; tries < TRIES; tries += 1) {
    open ??= await beginWindow(reading, window);
    const outcome = await readSlices(reading, window, open);
    const read = await windowRead(database, job.jobId, window.windowId);
    if (outcome === 'read') reached('window-read');
    await reading.source.closePit(open.pitId);
    if (outcome === 'read' && read === open.expected) {
      await closeWindow(database, job, window.windowId, 'completed');
      reached('window-closed');
      return undefined;
    }
    if (outcome === 'pit-lost' && tries === TRIES - 1) throw pointsInTimeLost();
    reason = `read ${read} messages where Elasticsearch counts ${open.expected}`;
    open = undefined;
  }
  await closeWindow(database, job, window.windowId, 'failed', reason);
  return reason;
}

async function beginWindow(
  { database, source, readIndices, job, slices, signal }: WindowReading,
  { windowId, interval }: Window,
): Promise<{ pitId: string; expected: number }> {
  await readIndices.refresh(signal);
  const opened = await source.openWindow(interval, signal);
  // So small a window is not worth more than one reader.
  const readers = opened.expected <= 10_000 ? 1 : slices;
  await openWindow(database, job, windowId, { ...opened, slices: readers });
  reached('window-opened');
  return opened;
}

async function readSlices(
  reading: WindowReading,
  window: Window,
  { pitId, expected }: { readonly pitId: string; readonly expected: number },
): Promise<'read' | 'pit-lost'> {
  const cursors = await windowCursors(reading.database, reading.job.jobId, window.windowId);
  const writer = new Turns();
  const ended = await Promise.allSettled(
    cursors
      .filter(({ finished }) => !finished)
      .map((cursor) =>
        readSlice(reading, window, { pitId, expected, slices: cursors.length, writer }, cursor),
      ),
  );
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return ended.some((end) => end.status === 'fulfilled' && end.value === 'pit-lost')
    ? 'pit-lost'
    : 'read';
}

/** Reads one slice page by page; while a page is stored the next one is read, never more. */
async function readSlice(
  reading: WindowReading,
  window: Window,
  {
    pitId: firstPit,
    expected,
    slices,
    writer,
  }: { pitId: string; expected: number; slices: number; writer: Turns },
  cursor: Cursor,
): Promise<'read' | 'pit-lost'> {
  let pitId = firstPit;
  let { searchAfter, pages } = cursor;
  let met = 0;
  let storing: Promise<void> = Promise.resolve();
  try {
    for (let last = false; !last; pages += 1) {
      reading.signal.throwIfAborted();
      const page = await reading.source.readPage({
        pitId,
        interval: window.interval,
        slice: cursor.slice,
        slices,
        searchAfter,
        signal: reading.signal,
      });
      if (page === 'pit-lost') return 'pit-lost';
      reached('page-read');
      ({ pitId, last } = page);
      searchAfter = page.searchAfter ?? searchAfter;
      met += page.messages.length;
      await storing;
      const number = pages;
      storing = writer.take(() =>
        storePage(reading, window, { slice: cursor.slice, number }, page),
      );
      // Awaited before the next page is stored; until then a failure must not count as unhandled.
      storing.catch(() => undefined);
      // More than it counted: no page more can make it right, and it may never come to an end.
      if (met > expected) break;
    }
    await storing;
    return 'read';
  } finally {
    await storing.catch(() => undefined);
  }
}

async function storePage(
  { store, indices, readIndices, job, signal, onPage }: WindowReading,
  { windowId }: Window,
  { slice, number }: { slice: number; number: number },
  page: IdPage,
): Promise<void> {
  const names = new Set(page.messages.map(({ index }) => index));
  const numberOf = await indices.numbersOf(names);
  await readIndices.note(names, numberOf, signal);
  const messages = page.messages.map(({ index, id }) => ({ id, indexId: numberOf(index) }));
  const { held, batches } = await store.store({
    jobId: job.jobId,
    windowId,
    slice,
    number,
    messages,
    searchAfter: page.searchAfter,
    last: page.last,
  });
  if (!held) throw new LeaseLost('somebody else has taken this extraction over');
  reached('page-stored');
  await readIndices.count(messages.map(({ id }) => id));
  onPage({ messages: messages.length, batches });
}

/** One at a time, in the order of asking: an extraction has one writer (pages.ts). */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }
}
