import type { Interval } from '../extract/types.js';
import { reached } from '../steps.js';
import type { Database, Statements } from './database.js';
import { LeaseLost } from './heartbeat.js';
import type { Lease } from './lease.js';
import { forgetOverlaps } from './overlaps.js';

export interface PlannedWindow {
  readonly interval: Interval;
  readonly expected: number;
}

export interface Window {
  readonly windowId: number;
  readonly interval: Interval;
  /** The point in time it is being read from; undefined where reading has not begun. */
  readonly pitId: string | undefined;
  /** What Elasticsearch counts under that point in time. */
  readonly expected: number;
  /** What was read of it under that point in time. */
  readonly read: number;
}

/** Where one reader of a window stands. */
export interface Cursor {
  readonly slice: number;
  /** Pages stored so far; the next page's number. */
  readonly pages: number;
  /** The last hit's sort values as JSON text; undefined before the first page. */
  readonly searchAfter: string | undefined;
  readonly finished: boolean;
}

/** A job, held by the lease that allows to change its windows. */
export interface HeldJob {
  readonly jobId: number;
  readonly lease: Lease;
}

/**
 * Whether the lease still holds the job, whose row is then locked until the transaction ends: nobody takes it over in
 * between.
 */
export async function isHeld(on: Statements, { jobId, lease }: HeldJob): Promise<boolean> {
  const held = await on.rows(
    'SELECT 1 FROM job_runs WHERE job_id = ? AND lease_token = ? FOR UPDATE',
    [jobId, lease.token],
  );
  return held.length > 0;
}

/** A transaction under the job's lease (invariant 3): a reader that lost it changes nothing any more. */
function underLease(
  database: Database,
  job: HeldJob,
  work: (on: Statements) => Promise<void>,
): Promise<void> {
  return database.transaction(async (on) => {
    if (!(await isHeld(on, job)))
      throw new LeaseLost('somebody else has taken this extraction over');
    await work(on);
  });
}

/**
 * Replaces a job's windows by these, all pending.
 * @throws LeaseLost
 */
export function planWindows(
  database: Database,
  job: HeldJob,
  windows: readonly PlannedWindow[],
): Promise<void> {
  const { jobId } = job;
  return underLease(database, job, async (on) => {
    await forgetWindows(on, jobId);
    for (let first = 0; first < windows.length; first += 1000) {
      const rows = windows
        .slice(first, first + 1000)
        .map(({ interval, expected }, i) => [
          jobId,
          first + i + 1,
          new Date(interval.from),
          new Date(interval.to),
          expected,
        ]);
      await on.change(
        'INSERT INTO extract_windows (job_id, window_id, start_date, end_date, expected) VALUES ?',
        [rows],
      );
    }
    reached('windows-inserted');
  });
}

export async function forgetWindows(on: Statements, jobId: number): Promise<void> {
  await forgetOverlaps(on, jobId);
  await on.change('DELETE FROM extract_cursors WHERE job_id = ?', [jobId]);
  await on.change('DELETE FROM extract_windows WHERE job_id = ?', [jobId]);
}

/**
 * Whether a failed window is accepted: until its row changes.
 *
 * @param alias of extract_windows in the statement
 */
export function isAcceptedWindow(alias: string): string {
  return `(${alias}.status = 'failed' AND ${alias}.acceptance_id IS NOT NULL AND ${alias}.changed_at <=> ${alias}.accepted_at)`;
}

/**
 * The job's windows still to be read, in order of time: not those that are accepted as failed. `planned` is false where none
 * were ever cut.
 */
export async function openWindows(
  database: Database,
  jobId: number,
): Promise<{ planned: boolean; windows: Window[] }> {
  const rows = await database.rows<{
    window_id: number;
    start_date: Date;
    end_date: Date;
    status: string;
    pit_id: string | null;
    expected: number;
    read_messages: number;
    accepted: number;
  }>(
    `SELECT w.window_id, w.start_date, w.end_date, w.status, w.pit_id, w.expected, w.read_messages,
            ${isAcceptedWindow('w')} AS accepted
     FROM extract_windows w WHERE w.job_id = ? ORDER BY w.window_id`,
    [jobId],
  );
  return {
    planned: rows.length > 0,
    windows: rows
      .filter(({ status, accepted }) => status !== 'completed' && accepted === 0)
      .map((row) => ({
        windowId: row.window_id,
        interval: { from: row.start_date.getTime(), to: row.end_date.getTime() },
        pitId: row.status === 'reading' ? (row.pit_id ?? undefined) : undefined,
        expected: row.expected,
        read: row.status === 'reading' ? row.read_messages : 0,
      })),
  };
}

/**
 * Begins a window under a new point in time: one cursor a slice, nothing read, no duplicates seen.
 * @throws LeaseLost
 */
export function openWindow(
  database: Database,
  job: HeldJob,
  windowId: number,
  { pitId, expected, slices }: { pitId: string; expected: number; slices: number },
): Promise<void> {
  const { jobId } = job;
  return underLease(database, job, async (on) => {
    await on.change(
      `UPDATE extract_windows SET status = 'reading', pit_id = ?, expected = ?, read_messages = 0, duplicates = 0,
              reason = NULL, acceptance_id = NULL WHERE job_id = ? AND window_id = ?`,
      [pitId, expected, jobId, windowId],
    );
    await forgetOverlaps(on, jobId, windowId);
    await on.change('DELETE FROM extract_cursors WHERE job_id = ? AND window_id = ?', [
      jobId,
      windowId,
    ]);
    const cursors = Array.from({ length: slices }, (_, slice) => [jobId, windowId, slice]);
    await on.change('INSERT INTO extract_cursors (job_id, window_id, slice) VALUES ?', [cursors]);
  });
}

export async function windowCursors(
  database: Database,
  jobId: number,
  windowId: number,
): Promise<Cursor[]> {
  const rows = await database.rows<{
    slice: number;
    pages: number;
    search_after: string | null;
    finished: number;
  }>(
    `SELECT slice, pages, search_after, finished FROM extract_cursors
     WHERE job_id = ? AND window_id = ? ORDER BY slice`,
    [jobId, windowId],
  );
  return rows.map((row) => ({
    slice: row.slice,
    pages: row.pages,
    searchAfter: row.search_after ?? undefined,
    finished: row.finished === 1,
  }));
}

/** What was read of a window so far, all slices. */
export async function windowRead(
  database: Database,
  jobId: number,
  windowId: number,
): Promise<number> {
  const [row] = await database.rows<{ read_messages: number }>(
    'SELECT read_messages FROM extract_windows WHERE job_id = ? AND window_id = ?',
    [jobId, windowId],
  );
  return row?.read_messages ?? 0;
}

/**
 * Ends a window: `completed`, or `failed` with the reason.
 * @throws LeaseLost
 */
export function closeWindow(
  database: Database,
  job: HeldJob,
  windowId: number,
  status: 'completed' | 'failed',
  reason?: string,
): Promise<void> {
  const { jobId } = job;
  return underLease(database, job, async (on) => {
    await on.change(
      'UPDATE extract_windows SET status = ?, reason = ?, pit_id = NULL WHERE job_id = ? AND window_id = ?',
      [status, reason?.slice(0, 1000) ?? null, jobId, windowId],
    );
    await on.change('DELETE FROM extract_cursors WHERE job_id = ? AND window_id = ?', [
      jobId,
      windowId,
    ]);
  });
}
