import { expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import { loadMessages, RANGE } from './messages.js';

// `kill -9`, and the same command again on the same host: nobody waits five minutes for a lease.

/** As it is by default, and longer than any test may take. */
const SETTINGS = { batchSize: 10, concurrency: 4, leaseSeconds: 300 };

it.each([
  ['job-leased', 'the extraction of job 1', 'message'],
  ['page-stored', 'the extraction of job 1', 'message'],
  ['batch-claimed 5', 'batch', 'message'],
  ['object-uploaded 3', 'batch', 'batch'],
  ['verify-checkpoint 2', 'verification 1', 'message'],
] as const)('killed at %s, it goes on at once', async (step, held, layout) => {
  const messages = await loadMessages({ count: 200 });
  const project = await makeProject({ indices: messages.indices, layout, settings: SETTINGS });
  const args = ['run', ...RANGE, '--json'];
  const killed = await runBinary(args, {
    cwd: project.cwd,
    env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: `SIGKILL ${step}` },
    preload: ['stop-at.mjs'],
  });
  expect(killed.code).toBe(137);
  const live = await query(project, 'SELECT 1 FROM job_runs WHERE lease_expires_at >= NOW(6) UNION ALL SELECT 1 FROM batch_progress WHERE lease_expires_at >= NOW(6) UNION ALL SELECT 1 FROM verify_runs WHERE lease_expires_at >= NOW(6)');
  expect(live).not.toEqual([]);
  const again = await runBinary(args, project);
  expect(again.code, again.stderr).toBe(0);
  expect(again.stderr).toMatch(new RegExp(`process \\d+ on \\S+, which held ${held}.*, is gone: (its lease ends|their leases end) now`));
  const whole = await compareAll(project, messages.expected, { layout });
  expect(whole.wrong).toEqual([]);
  // Each batch that was held was claimed once more, and no other.
  const claims = await query(project, 'SELECT 1 FROM batch_progress WHERE claims > 2');
  expect(claims).toEqual([]);
  if (held === 'batch') expect(whole.takeovers).toBeGreaterThan(0);
}); // prettier-ignore

it('a process that only stands still keeps its batches, and who comes is told that it runs', async () => {
  const messages = await loadMessages({ count: 100 });
  const project = await makeProject({ indices: messages.indices, settings: SETTINGS });
  expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
  const paused = startBinary(['process', '--concurrency', '1'], {
    cwd: project.cwd,
    env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: 'SIGSTOP batch-claimed' },
    preload: ['stop-at.mjs'],
  });
  await paused.shows(/stopping at batch-claimed/);
  const held = 'SELECT 1 FROM batch_progress WHERE lease_expires_at >= NOW(6)';
  await until(async () => (await query(project, held)).length === 1, 'its claim');
  const other = await runBinary(['process', '--json'], project);
  expect(other.code, other.stderr).toBe(4);
  expect(JSON.parse(other.stdout)).toMatchObject({ completed: 90, remaining: 10 });
  expect(other.stderr).toContain(`:${paused.child.pid ?? 0}, which runs, holds batches until`);
  expect(other.stderr).not.toContain('is gone');
  paused.child.kill('SIGCONT');
  expect((await paused.ended).code).toBe(0);
  const whole = await compareAll(project, messages.expected, { layout: 'message' });
  expect(whole.wrong).toEqual([]);
  expect(whole.takeovers).toBe(0);
});
