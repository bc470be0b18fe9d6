import type { Source } from '../elasticsearch/source.js';
import type { PlannedWindow } from '../tracking/windows.js';
import type { Interval } from './types.js';

/** Most messages of a window: some seconds of reading, which is what a lost point in time costs. */
export const WINDOW_MESSAGES = 250_000;

/**
 * Cuts an interval into windows of at most `most` messages, by halving time until Elasticsearch counts few
 * enough. A single millisecond is never cut: a window may be larger where that many messages share one.
 */
export async function cutWindows(
  source: Source,
  interval: Interval,
  signal: AbortSignal,
  most = WINDOW_MESSAGES,
): Promise<PlannedWindow[]> {
  const expected = await source.count(interval, signal);
  return cut(source, { interval, expected }, signal, most);
}

async function cut(
  source: Source,
  window: PlannedWindow,
  signal: AbortSignal,
  most: number,
): Promise<PlannedWindow[]> {
  const { from, to } = window.interval;
  if (window.expected <= most || to - from <= 1) return [window];
  const middle = from + Math.floor((to - from) / 2);
  const first = { from, to: middle };
  const second = { from: middle, to };
  // Both are counted: messages may arrive or go between two counts.
  const counts = [await source.count(first, signal), await source.count(second, signal)] as const;
  return [
    ...(await cut(source, { interval: first, expected: counts[0] }, signal, most)),
    ...(await cut(source, { interval: second, expected: counts[1] }, signal, most)),
  ];
}
