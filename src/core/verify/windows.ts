import { runPool } from '../pool.js';
import { countUnplanned, windowsAfter, type VerifiedWindow } from '../tracking/verify-windows.js';
import type { VerifyContext } from './context.js';
import type { Unit } from './unit.js';
import { OVER } from './verification.js';

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
 * window was extracted: what arrived in it since, and what is gone.
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
      compare(unit, window, now);
      unit.notes.push(['duplicates', window.duplicates]);
      sums.sourceNow += now - window.duplicates;
      sums.sourceThen += window.expected - window.duplicates;
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

function compare(unit: Unit, window: VerifiedWindow, now: number): void {
  const { jobId, interval, status, expected, read, reason } = window;
  const from = new Date(interval.from).toISOString();
  const to = new Date(interval.to).toISOString();
  const key = `${from}/${to}`;
  if (status === 'failed') {
    const detail = `${from} to ${to} could not be read whole: ${reason ?? 'no reason is known'}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (status === 'completed' && read !== expected) {
    const detail = `${from} to ${to}: ${read} messages were read where Elasticsearch counted ${expected}; extract the range again`;
    unit.add({ kind: 'inconsistent', jobId, key, detail });
  } else if (status === 'completed' && now !== expected) {
    const kind = now > expected ? 'arrived' : 'gone';
    const count = Math.abs(now - expected);
    const detail = `${from} to ${to}: Elasticsearch counts ${now} now, ${expected} when it was read`;
    unit.add({ kind, count, jobId, key, detail });
  } else if (status === 'completed') unit.same(key, 0);
}
