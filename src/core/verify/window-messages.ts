import { pointsInTimeLost } from '../elasticsearch/faults.js';
import type { IdPage } from '../elasticsearch/pit.js';
import { messagesById } from '../tracking/verify-messages.js';
import type { VerifiedWindow } from '../tracking/verify-windows.js';
import type { VerifyContext } from './context.js';

/** Messages a window holds now. */
export interface WindowMessages {
  /** Tracked by the window's own job. */
  readonly own: number;
  /** Tracked by no job. Those that another job tracks are that job's, and counted with it. */
  readonly untracked: number;
}

/** Ids looked up by one statement. */
const IDS_AT_ONCE = 1000;
/** How often the window is read from its beginning where its point in time is lost. */
const TRIES = 3;

/**
 * Reads a window's ids again and looks up who tracks them. A count alone cannot tell a message that nobody has read from
 * one that a later job over an overlapping range has.
 *
 * @throws MigrateError `unavailable` where one point in time after the other is lost
 */
export async function messagesNow(
  context: VerifyContext,
  window: VerifiedWindow,
): Promise<WindowMessages> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const messages = await readOnce(context, window);
    if (messages !== 'pit-lost') return messages;
  }
  throw pointsInTimeLost();
}

async function readOnce(
  context: VerifyContext,
  { interval, scope, jobId }: VerifiedWindow,
): Promise<WindowMessages | 'pit-lost'> {
  const { source } = context.on;
  const { signal } = context;
  let { pitId } = await source.openWindow(interval, signal, scope);
  let own = 0;
  let untracked = 0;
  let searchAfter: string | undefined;
  try {
    for (let last = false; !last;) {
      const request = { pitId, interval, slice: 0, slices: 1, searchAfter, signal };
      const page = await source.readPage(request, scope);
      if (page === 'pit-lost') return page;
      for (const owner of await ownersOf(context, page.messages)) {
        if (owner === undefined) untracked += 1;
        else if (owner === jobId) own += 1;
      }
      ({ pitId, last } = page);
      searchAfter = page.searchAfter ?? searchAfter;
    }
    return { own, untracked };
  } finally {
    await source.closePit(pitId);
  }
}

/** The job that tracks each message; undefined where none does. */
async function ownersOf(
  { on, signal }: VerifyContext,
  messages: IdPage['messages'],
): Promise<(number | undefined)[]> {
  const jobs = new Map<string, number>();
  for (let first = 0; first < messages.length; first += IDS_AT_ONCE) {
    signal.throwIfAborted();
    const ids = messages.slice(first, first + IDS_AT_ONCE).map(({ id }) => id);
    for (const row of await messagesById(on.database, ids))
      if (row.jobId !== undefined) jobs.set(nameOf(row), row.jobId);
  }
  return messages.map((message) => jobs.get(nameOf(message)));
}

function nameOf({ index, id }: { readonly index: string; readonly id: Buffer }): string {
  return `${index}/${id.toString('latin1')}`;
}
