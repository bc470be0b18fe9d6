import { runPool } from '../pool.js';
import { countUnplanned, windowsAfter, type VerifiedWindow } from '../tracking/verify-windows.js';
import type { VerifyContext } from './context.js';
import type { Unit } from './unit.js';
import { OVER } from './verification.js';
import { messagesNow, type WindowMessages } from './window-messages.js';

/** Counts asked for at once, under the same limit of requests a second as all else. */
const AT_ONCE = 4;
/** Windows of a step: an interrupted one is counted again. */
const WINDOWS_A_STEP = 20;

interface Cursor {
  readonly jobId: number;
  readonly windowId: number;
}

/**
 * Counts every window in Elasticsearch again and compares that with what it counted, and with what was read, when the
 * window was extracted. Where the counts differ, the window's ids tell what arrived in it since, and what is gone.
 */
export async function verifyWindows(context: VerifyContext): Promise<void> {
  const { verification, scope, on, signal } = context;
  const { sums } = verification;
  for (let after = verification.cursor as Cursor | undefined; ;) {
    const from = after ?? { jobId: 0, windowId: 0 };
    const windows = await windowsAfter(on.database, scope, from, WINDOWS_A_STEP);
    const last = windows.at(-1);
    if (!last) break;
    const unit = verification.unit();
    const counts = await countNow(context, windows);
    signal.throwIfAborted();
    for (const window of windows) {
      const now = counts.get(window) ?? 0;
      const held = isToRead(window, now) ? await messagesNow(context, window) : undefined;
      const then = window.expected - window.duplicates;
      if (held) compareMessages(unit, window, held, then);
      else tellWindow(unit, window);
      unit.notes.push(['duplicates', window.duplicates]);
      sums.sourceNow += held ? held.own + held.untracked : now - window.duplicates;
      sums.sourceThen += then;
      if (window.status === 'pending' || window.status === 'reading') sums.openWindows += 1;
    }
    after = { jobId: last.jobId, windowId: last.windowId };
    await verification.done(unit, after);
  }
  const unplanned = await countUnplanned(on.database, scope);
  sums.openWindows += unplanned;
  await verification.done(verification.unit(), OVER);
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

/** Whether a window was read whole and counts otherwise now. */
function isToRead({ status, read, expected }: VerifiedWindow, now: number): boolean {
  return status === 'completed' && read === expected && now !== expected;
}

/** @param then messages its own job had read of it */
function compareMessages(
  unit: Unit,
  window: VerifiedWindow,
  { own, untracked }: WindowMessages,
  then: number,
): void {
  const { jobId } = window;
  const { key, words } = nameOf(window);
  const gone = Math.max(then - own, 0);
  if (untracked > 0) {
    const detail = `${words}: ${untracked} messages in Elasticsearch now that no job has read`;
    unit.add({ kind: 'arrived', count: untracked, jobId, key, detail });
  }
  if (gone > 0) {
    const detail = `${words}: Elasticsearch has ${own} now of the ${then} messages that the job read`;
    unit.add({ kind: 'gone', count: gone, jobId, key, detail });
  }
  if (untracked === 0 && gone === 0) unit.same(key, 0);
}

function tellWindow(unit: Unit, window: VerifiedWindow): void {
  const { jobId, status, expected, read, reason } = window;
  const { key, words } = nameOf(window);
  if (status === 'failed') {
    const detail = `${words} could not be read whole: ${reason ?? 'no reason is known'}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (status === 'completed' && read !== expected) {
    const detail = `${words}: ${read} messages were read where Elasticsearch counted ${expected}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (status === 'completed') unit.same(key, 0);
}

function nameOf({ interval }: VerifiedWindow): { key: string; words: string } {
  const from = new Date(interval.from).toISOString();
  const to = new Date(interval.to).toISOString();
  return { key: `${from}/${to}`, words: `${from} to ${to}` };
}
