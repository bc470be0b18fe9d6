import { pointsInTimeLost } from '../elasticsearch/faults.js';
import type { IdPage } from '../elasticsearch/pit.js';
import { isInScope } from '../tracking/scope.js';
import { messagesById } from '../tracking/verify-messages.js';
import type { VerifiedWindow } from '../tracking/verify-windows.js';
import type { VerifyContext } from './context.js';

/** Messages a window holds now, by who tracks them. */
export interface WindowMessages {
  /** Tracked by the window's own job, or by a batch of no job, which is told as a contradiction. */
  own: number;
  /** Tracked by another job, and counted with it. */
  others: number;
  /** Of those, tracked by a job that is not verified. */
  outside: number;
  /** Tracked by no job. */
  untracked: number;
}

/** Ids looked up by one statement. */
const IDS_AT_ONCE = 1000;
/** How often the window is read from its beginning where its point in time is lost, or it is not read whole. */
const TRIES = 3;

/**
 * Reads a window's ids again and looks up who tracks them. A count alone cannot tell a message that nobody has read from
 * one that a later job over an overlapping range has.
 *
 * @returns why it could not be read whole, where it couldn't
 * @throws MigrateError `unavailable` where one point in time after the other is lost
 */
export async function messagesNow(
  context: VerifyContext,
  window: VerifiedWindow,
): Promise<WindowMessages | { readonly unreadable: string }> {
  for (let tries = 1; ; tries += 1) {
    const { messages, expected, isLost } = await readOnce(context, window);
    const read = messages.own + messages.others + messages.untracked;
    if (!isLost && read === expected) return messages;
    if (tries < TRIES) continue;
    if (isLost) throw pointsInTimeLost();
    return { unreadable: `${read} messages were read where Elasticsearch counts ${expected}` };
  }
}

async function readOnce(
  context: VerifyContext,
  { interval, scope, jobId }: VerifiedWindow,
): Promise<{ messages: WindowMessages; expected: number; isLost: boolean }> {
  const { source } = context.on;
  const { signal } = context;
  const messages = { own: 0, others: 0, outside: 0, untracked: 0 };
  const { expected, ...open } = await source.openWindow(interval, signal, scope);
  let { pitId } = open;
  let searchAfter: string | undefined;
  try {
    for (let last = false; !last;) {
      const request = { pitId, interval, slice: 0, slices: 1, searchAfter, signal };
      const page = await source.readPage(request, scope);
      if (page === 'pit-lost') return { messages, expected, isLost: true };
      for (const owner of await ownersOf(context, page.messages)) {
        if (owner === undefined) messages.untracked += 1;
        else if (owner === jobId || owner === 'no job') messages.own += 1;
        else {
          messages.others += 1;
          if (!isInScope(context.scope, owner)) messages.outside += 1;
        }
      }
      ({ pitId, last } = page);
      searchAfter = page.searchAfter ?? searchAfter;
    }
    return { messages, expected, isLost: false };
  } finally {
    await source.closePit(pitId);
  }
}

/** The job that tracks each message; undefined where there is no row. */
async function ownersOf(
  { on, signal }: VerifyContext,
  messages: IdPage['messages'],
): Promise<(number | 'no job' | undefined)[]> {
  const jobs = new Map<string, number | 'no job'>();
  for (let first = 0; first < messages.length; first += IDS_AT_ONCE) {
    signal.throwIfAborted();
    const ids = messages.slice(first, first + IDS_AT_ONCE).map(({ id }) => id);
    for (const row of await messagesById(on.database, ids))
      jobs.set(nameOf(row), row.hasJob ? (row.jobId ?? 'no job') : 'no job');
  }
  return messages.map((message) => jobs.get(nameOf(message)));
}

function nameOf({ index, id }: { readonly index: string; readonly id: Buffer }): string {
  return `${index}/${id.toString('latin1')}`;
}
