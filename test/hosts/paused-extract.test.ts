import { describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary } from '../support/binary.js';
import { auditLeases, handOvers, runOutLeases } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { compareAll } from '../support/whole.js';
import { loadMessages, RANGE } from './messages.js';
import { resume, startPaused } from './paused.js';

const COUNT = 240;

/** Several windows and pages out of few messages; see small-pages.mjs. */
async function small(settings: Record<string, unknown> = {}) {
  const messages = await loadMessages({ count: COUNT });
  const project = await makeProject({
    indices: messages.indices,
    settings: { batchSize: 20, ...settings },
  });
  expect((await runBinary(['db', 'migrate'], project)).code).toBe(0);
  await auditLeases(project);
  return { messages, project, options: { ...project, preload: ['small-pages.mjs'] as const } };
}

describe('an extraction that was paused past its lease', () => {
  // A later page is read while the one before it is being stored, in a transaction that holds the job's row: see below.
  it.each(['job-leased 1', 'windows-planned 1', 'window-opened 2', 'page-read 1', 'page-stored 4'])(
    'at %s adds nothing to what its successor read',
    async (stopAt) => {
      const { messages, project, options } = await small();
      const paused = await startPaused(['extract', ...RANGE], options, stopAt);
      await runOutLeases(project);
      const successor = await runBinary(['extract', ...RANGE], options);
      expect(successor.code, successor.stderr).toBe(0);
      const rows = await query(project, TABLES);

      resume(paused);
      const ended = await paused.ended;

      // 0: it finds the job done. 4: it finds it taken.
      expect([0, 4], ended.stderr).toContain(ended.code);
      expect(await query(project, TABLES)).toEqual(rows);
      expect(await handOvers(project)).toEqual({ takeovers: 1, stolen: 0 });
      expect((await runBinary(['process'], project)).code).toBe(0);
      const whole = await compareAll(project, messages.expected, { layout: 'message' });
      expect(whole.wrong).toEqual([]);
    },
  );

  it('stores no page more while its successor is at work', async () => {
    const { messages, project, options } = await small();
    const paused = await startPaused(['extract', ...RANGE], options, 'page-read 1');
    await runOutLeases(project);
    const successor = await startPaused(['extract', ...RANGE], options, 'page-read 1');
    const rows = await query(project, TABLES);

    resume(paused);
    const ended = await paused.ended;
    expect(ended.code, ended.stderr).toBe(4);
    expect(ended.stderr).toMatch(/job 1 is being extracted by .*; wait for it/);
    expect(await query(project, TABLES)).toEqual(rows);

    resume(successor);
    const succeeded = await successor.ended;
    expect(succeeded.code, succeeded.stderr).toBe(0);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  // It holds the job's row: another waits for as long as it has patience, and says what it waited for.
  it('in the middle of storing a page lets nobody hang, and finishes what it began', async () => {
    const { messages, project, options } = await small({ retryFor: '1s' });
    const paused = await startPaused(['extract', ...RANGE], options, 'page-inserted 2');
    const other = await runBinary(['extract', ...RANGE], options);
    expect(other.code, other.stderr).toBe(5);
    expect(other.stderr).toMatch(/es-migrate: MySQL was down for \d+ s: /);

    resume(paused);
    const ended = await paused.ended;

    expect(ended.code, ended.stderr).toBe(0);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });
});

const TABLES = `SELECT t.batch_id, HEX(t.message_id) AS id, b.total_messages, j.extracted, j.status
  FROM message_tracking t JOIN batch_progress b USING (batch_id) JOIN job_runs j USING (job_id) ORDER BY 1, 2`;
