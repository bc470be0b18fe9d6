import { describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import { loadMessages, RANGE } from './messages.js';

const SETTINGS = { batchSize: 10, concurrency: 2 };
const HELD = 'SELECT 1 FROM batch_progress WHERE lease_expires_at IS NOT NULL';

async function completed(project: Project): Promise<number> {
  const rows = await query(project, "SELECT 1 FROM message_tracking WHERE status = 'completed'");
  return rows.length;
}

describe('process', () => {
  it('--watch waits for work, takes what a later extract adds, and ends on SIGTERM', async () => {
    const messages = await loadMessages({ count: 70 });
    const project = await makeProject({ indices: messages.indices, settings: SETTINGS });
    expect((await runBinary(['db', 'migrate'], project)).code).toBe(0);
    const watching = startBinary(['process', '--watch', '--json'], project);
    for (const [from, to, total] of [
      ['2024-10-01', '2024-10-03', 30],
      ['2024-10-04', '2024-10-07', 70],
    ] as const) {
      const extraction = await runBinary(['extract', '--from', from, '--to', to], project);
      expect(extraction.code, extraction.stderr).toBe(0);
      await until(async () => (await completed(project)) === total, `${total} messages`);
    }
    watching.child.kill('SIGTERM');
    const ended = await watching.ended;
    expect(ended.code, ended.stderr).toBe(143);
    expect(JSON.parse(ended.stdout)).toMatchObject({ completed: 70, remaining: 0 });
    const whole = await compareAll(project, messages.expected, { layout: 'message', jobs: 2 });
    expect(whole.wrong).toEqual([]);
  });

  it.each([
    { flags: ['--max-batches', '3'], least: 30, most: 30 },
    { flags: ['--max-runtime', '1s'], least: 0, most: 400 },
    { flags: ['--watch', '--max-runtime', '1s'], least: 0, most: 400 },
    { flags: ['--watch', '--max-batches', '2'], least: 20, most: 20 },
  ])('$flags ends cleanly with nothing claimed', async ({ flags, least, most }) => {
    const messages = await loadMessages({ count: 400 });
    const project = await makeProject({ indices: messages.indices, settings: SETTINGS });
    expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
    const ended = await runBinary(['process', ...flags, '--json'], project);
    expect(ended.code, ended.stderr).toBe(0);
    const done = await completed(project);
    expect(done).toBeGreaterThanOrEqual(least);
    expect(done).toBeLessThanOrEqual(most);
    expect(JSON.parse(ended.stdout)).toMatchObject({ completed: done, remaining: 400 - done });
    expect(await query(project, HELD)).toEqual([]);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
    expect(whole.takeovers).toBe(0);
  });
});
