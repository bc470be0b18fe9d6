import { runPool } from '../pool.js';
import { countUnplanned, windowsAfter, type VerifiedWindow } from '../tracking/verify-windows.js';
import { verifyAccepted, type AcceptedCursor } from './accepted.js';
import type { VerifyContext } from './context.js';
import type { Unit } from './unit.js';
import { OVER } from './verification.js';
import { messagesNow, type WindowMessages } from './window-messages.js';

/** Counts asked for at once, under the same limit of requests a second as all else. */
const AT_ONCE = 4;
/** Windows that are counted before they are compared, one by one. */
const WINDOWS_A_STEP = 20;

interface Cursor {
  readonly jobId: number;
  readonly windowId: number;
}

/** A note on a job: how many of its messages that are gone are accepted as missing. */
const ABSENT = 'acceptedAbsent';
/** The same: how many of those were met in windows that hold fewer messages than were read. */
const EXPLAINED = 'acceptedGone';
/** A note: failed windows that are accepted. */
export const ACCEPTED_WINDOWS = 'acceptedWindows';
/** Messages found in windows that were read again, tracked by jobs that are not verified. */
export const HELD_OUTSIDE = 'heldOutside';

/**
 * Counts every window in Elasticsearch again and compares that with what it counted, and with what was read, when the
 * window was extracted. Where the counts differ, the window's ids tell what arrived in it since, and what is gone.
 */
export async function verifyWindows(context: VerifyContext): Promise<void> {
  const { verification, scope, on, signal } = context;
  await verifyAccepted(context, ABSENT);
  for (let after = verification.cursor as Cursor | AcceptedCursor | undefined; ;) {
    const from = after && 'jobId' in after ? after : { jobId: 0, windowId: 0 };
    const windows = await windowsAfter(on.database, scope, from, WINDOWS_A_STEP);
    if (windows.length === 0) break;
    const counts = await countNow(context, windows);
    for (const window of windows) {
      signal.throwIfAborted();
      const { jobId, windowId } = window;
      after = { jobId, windowId };
      const seen = await look(context, window, counts.get(window) ?? 0);
      await take(context, window, seen, after);
    }
  }
  const unplanned = await countUnplanned(on.database, scope);
  verification.sums.openWindows += unplanned;
  await verification.done(verification.unit(), OVER);
}

/** What a window holds now: its messages where the count differs from what was read, else the count. */
async function look(context: VerifyContext, window: VerifiedWindow, now: number): Promise<Seen> {
  const { status, read, expected } = window;
  if (status !== 'completed' || read !== expected || now === expected) return { now };
  if (now === 0) return { own: 0, others: 0, outside: 0, untracked: 0 };
  const messages = await messagesNow(context, window);
  return 'unreadable' in messages ? { now, ...messages } : messages;
}

type Seen = WindowMessages | { readonly now: number; readonly unreadable?: string };

/** Nothing is awaited between the sums and the cursor: a run that stops in between would count a window twice. */
function take(
  { verification }: VerifyContext,
  window: VerifiedWindow,
  seen: Seen,
  at: Cursor,
): Promise<void> {
  const { sums } = verification;
  const unit = verification.unit();
  const { duplicates, expected, status } = window;
  const then = expected - duplicates;
  sums.sourceThen += then;
  if ('own' in seen) {
    const { jobId } = window;
    const note = (name: string) => verification.notes[`${name} ${jobId}`] ?? 0;
    const accepted = note(ABSENT) - note(EXPLAINED);
    compareMessages(unit, window, seen, { then, accepted });
    sums.sourceNow += seen.own + seen.untracked;
  } else {
    tellWindow(unit, window, seen.unreadable);
    sums.sourceNow += seen.now - duplicates;
  }
  if (status === 'pending' || status === 'reading') sums.openWindows += 1;
  if (window.accepted) unit.notes.push([ACCEPTED_WINDOWS, 1]);
  return verification.done(unit, at);
}

async function countNow(
  { on, signal }: VerifyContext,
  windows: readonly VerifiedWindow[],
): Promise<Map<VerifiedWindow, number>> {
  const counts = new Map<VerifiedWindow, number>();
  const left = windows[Symbol.iterator]();
  await runPool(
    AT_ONCE,
    () => Promise.resolve(left.next().value),
    async (window) => {
      counts.set(window, await on.source.count(window.interval, signal, window.scope));
    },
  );
  return counts;
}

/**
 * @param then messages its own job had read of it
 * @param accepted messages of the job that are accepted as missing, and that no window before this one has lacked: nobody
 *   knows in which they were
 */
function compareMessages(
  unit: Unit,
  window: VerifiedWindow,
  { own, outside, untracked }: WindowMessages,
  { then, accepted }: { then: number; accepted: number },
): void {
  const { jobId } = window;
  const { key, words } = nameOf(window);
  if (outside > 0) unit.notes.push([HELD_OUTSIDE, outside]);
  const lacking = Math.max(then - own, 0);
  const explained = Math.min(lacking, accepted);
  if (explained > 0) unit.notes.push([`${EXPLAINED} ${jobId}`, explained]);
  const gone = lacking - explained;
  if (untracked > 0) {
    const detail = `${words}: ${untracked} messages in Elasticsearch now that no job has read`;
    unit.add({ kind: 'arrived', count: untracked, jobId, key, detail });
  }
  if (gone > 0) {
    const besides = explained > 0 ? `; ${explained} more are accepted as missing` : '';
    const detail = `${words}: Elasticsearch has ${own} now of the ${then} messages that the job read${besides}`;
    unit.add({ kind: 'gone', count: gone, jobId, key, detail });
  }
  if (untracked === 0 && gone === 0) unit.same(key, 0);
}

function tellWindow(unit: Unit, window: VerifiedWindow, unreadable: string | undefined): void {
  const { jobId, status, expected, read, reason, accepted } = window;
  const { key, words } = nameOf(window);
  if (accepted) return;
  if (status === 'failed') {
    const detail = `${words} could not be read whole: ${reason ?? 'no reason is known'}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (status === 'completed' && read !== expected) {
    const detail = `${words}: ${read} messages were read where Elasticsearch counted ${expected}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (unreadable !== undefined) {
    unit.add({ kind: 'unreadable', jobId, key, detail: `${words}: ${unreadable}` });
  } else if (status === 'completed') unit.same(key, 0);
}

function nameOf({ interval }: VerifiedWindow): { key: string; words: string } {
  const from = new Date(interval.from).toISOString();
  const to = new Date(interval.to).toISOString();
  return { key: `${from}/${to}`, words: `${from} to ${to}` };
}
