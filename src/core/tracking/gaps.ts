import type { Interval } from '../extract/types.js';
import type { Database } from './database.js';
import { scopeKey, type JobScope } from './jobs.js';

/** What a job is about, and whether there was any message in it. */
interface Covered extends Interval {
  readonly isEmpty: boolean;
}

/** 1 for a job whose windows are known to hold no message. */
const IS_EMPTY =
  '(SELECT COALESCE(MAX(w.expected), 1) = 0 FROM extract_windows w WHERE w.job_id = j.job_id)';

/**
 * What no completed job of the scope covers between the first one with messages and the last one with messages.
 *
 * @param until nothing behind this is a gap, in milliseconds since the epoch: it is still to come
 */
export async function uncovered(
  database: Database,
  scope: JobScope,
  until: number,
): Promise<Interval[]> {
  const rows = await database.rows<{ start_date: Date; next_run_date: Date; empty: number }>(
    `SELECT j.start_date, j.next_run_date, ${IS_EMPTY} AS empty FROM job_runs j
     WHERE j.scope_key = ? AND j.status = 'completed' ORDER BY j.start_date`,
    [scopeKey(scope)],
  );
  return gapsBetween(
    rows.map(({ start_date, next_run_date, empty }) => ({
      from: start_date.getTime(),
      to: next_run_date.getTime(),
      isEmpty: empty === 1,
    })),
    until,
  );
}

/** What no job over an index covers, whatever its field and filter, with the bounds of `uncovered`. */
export async function uncoveredOfIndex(
  database: Database,
  index: string,
  until: number,
): Promise<Interval[]> {
  const rows = await database.rows<{ start_date: Date; end_date: Date; empty: number }>(
    `SELECT j.start_date, j.end_date, ${IS_EMPTY} AS empty FROM job_runs j
     WHERE j.source_index = ? ORDER BY j.start_date`,
    [index],
  );
  return gapsBetween(
    rows.map(({ start_date, end_date, empty }) => ({
      from: start_date.getTime(),
      to: end_date.getTime(),
      isEmpty: empty === 1,
    })),
    until,
  );
}

/**
 * The times between jobs, which come in the order of their starts. One without messages covers what it covers, but there is no gap
 * between it and the others: its range may have been mistyped.
 */
function gapsBetween(jobs: readonly Covered[], until: number): Interval[] {
  const full = jobs.filter(({ isEmpty }) => !isEmpty);
  const first = full[0]?.from ?? Infinity;
  const last = Math.min(until, full.at(-1)?.from ?? -Infinity);
  const gaps: Interval[] = [];
  let end = first;
  for (const { from, to } of jobs) {
    if (from > end && end < last) gaps.push({ from: end, to: Math.min(from, last) });
    end = Math.max(end, to);
  }
  return gaps;
}

/** What of some intervals lies outside another one. */
export function without(intervals: readonly Interval[], { from, to }: Interval): Interval[] {
  if (from >= to) return [...intervals];
  return intervals
    .flatMap((gap) => [
      { from: gap.from, to: Math.min(gap.to, from) },
      { from: Math.max(gap.from, to), to: gap.to },
    ])
    .filter((gap) => gap.from < gap.to);
}

/** What of some intervals lies within another one. */
export function within(intervals: readonly Interval[], { from, to }: Interval): Interval[] {
  return intervals
    .map((gap) => ({ from: Math.max(gap.from, from), to: Math.min(gap.to, to) }))
    .filter((gap) => gap.from < gap.to);
}
