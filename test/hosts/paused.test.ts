import { describe, expect, it } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import { auditLeases, handOvers, runOutLeases } from '../support/lease-audit.js';
import { makeProject, type Project } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import { holdingProxy } from './holding-proxy.js';
import { loadMessages, RANGE } from './messages.js';
import { pause, resume, startPaused } from './paused.js';

const SETTINGS = { batchSize: 15, concurrency: 1 };

/** Messages of this test's own, extracted: three batches unless there are fewer. */
async function extracted(
  layout: 'message' | 'batch',
  { count = 45, bytes = 20, leaseSeconds = 300 } = {},
) {
  const messages = await loadMessages({ count, bytes });
  const settings = { ...SETTINGS, leaseSeconds };
  const project = await makeProject({ indices: messages.indices, layout, settings });
  expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
  await auditLeases(project);
  return { messages, project };
}

describe('a process that was paused past its lease', () => {
  // Messages have changed meanwhile: what it holds is not what its successor wrote.
  it.each([
    { step: 'batch-claimed', layout: 'message' },
    { step: 'messages-read', layout: 'message' },
    { step: 'records-read', layout: 'batch' },
    { step: 'upload-begun', layout: 'message' },
    { step: 'upload-begun', layout: 'batch' },
    { step: 'object-uploaded', layout: 'message' },
    { step: 'index-uploaded', layout: 'batch' },
    { step: 'batch-uploaded', layout: 'batch' },
  ] as const)(
    'at $step, layout $layout, changes no row and damages no object',
    async ({ step, layout }) => {
      const { messages, project } = await extracted(layout);
      const paused = await startPaused(['process'], project, step);
      await runOutLeases(project);
      const changed = await messages.change();
      const successor = await runBinary(['process', '--json'], project);
      expect(successor.code, successor.stderr).toBe(0);
      expect(JSON.parse(successor.stdout)).toMatchObject({ completed: 45, remaining: 0 });
      const rows = await query(project, ROWS);

      resume(paused);
      const ended = await paused.ended;

      expect(ended.code, ended.stderr).toBe(0);
      expect(ended.stderr).toMatch(/batch 1 is left to others/);
      expect(await query(project, ROWS)).toEqual(rows);
      expect(await handOvers(project)).toEqual({ takeovers: 1, stolen: 0 });
      expect((await compareAll(project, changed.expected, { layout })).wrong).toEqual([]);
    },
  );

  // The first has uploaded nothing yet, or all; its successor has uploaded all and not completed it.
  it.each([
    { step: 'upload-begun', layout: 'message', successorAt: 'object-uploaded 15' },
    { step: 'batch-uploaded', layout: 'batch', successorAt: 'batch-uploaded' },
  ] as const)(
    'at $step, layout $layout, leaves a successor alone that is still at work',
    async ({ step, layout, successorAt }) => {
      const { messages, project } = await extracted(layout, { count: 15 });
      const paused = await startPaused(['process'], project, step);
      await runOutLeases(project);
      const changed = await messages.change();
      const successor = await startPaused(['process'], project, successorAt);
      // All but its tries: that of the paused one is no try, as it says itself once it can.
      const claim = async () => (await query(project, CLAIM)).map((row) => ({ ...row, tries: 0 }));
      const before = await claim();

      resume(paused);
      const ended = await paused.ended;
      expect(ended.code, ended.stderr).toBe(4);
      expect(ended.stderr).toMatch(/batch 1 is left to others/);
      expect(await claim()).toEqual(before);

      resume(successor);
      const succeeded = await successor.ended;
      expect(succeeded.code, succeeded.stderr).toBe(0);
      expect(await handOvers(project)).toEqual({ takeovers: 1, stolen: 0 });
      expect((await compareAll(project, changed.expected, { layout })).wrong).toEqual([]);
    },
  );

  // The network delivers what it had sent, after its successor is done.
  it.each([
    { hold: 'all', layout: 'message' },
    { hold: 'second half', layout: 'message' },
    { hold: 'second half', layout: 'batch' },
  ] as const)(
    'in the middle of an upload ($hold of it late, layout $layout) damages no object',
    async ({ hold, layout }) => {
      const { messages, project } = await extracted(layout, { bytes: 400_000 });
      const proxy = await holdingProxy(sandbox().s3.endpoint, hold);
      await project.configure({ ...SETTINGS, target: { endpoint: proxy.endpoint } });
      const paused = startBinary(['process'], project);
      await proxy.held;
      await pause(paused);
      await project.configure(SETTINGS);
      await runOutLeases(project);
      const changed = await messages.change();
      const successor = await runBinary(['process'], project);
      expect(successor.code, successor.stderr).toBe(0);
      const rows = await query(project, ROWS);

      const status = await proxy.release();
      resume(paused);
      const ended = await paused.ended;

      // In layout batch it was an object of its own.
      expect(status).toBe(layout === 'message' ? 412 : 200);
      expect(ended.code, ended.stderr).toBe(0);
      expect(ended.stderr).toMatch(/batch 1 is left to others/);
      expect(await query(project, ROWS)).toEqual(rows);
      const whole = await compareAll(project, changed.expected, { layout });
      expect(whole.wrong).toEqual([]);
      expect(whole.orphans.length > 0).toBe(layout === 'batch');
    },
  );

  // Its row locks keep all others off the batch for as long as its connection lives.
  it.each(['batch-taken', 'counters-moved', 'rows-completed'])(
    'in the middle of a transaction (%s) blocks nobody, and finishes what it began',
    async (step) => {
      const { messages, project } = await extracted('message', { leaseSeconds: 2 });
      const paused = await startPaused(['process'], project, step);
      await until(async () => (await query(project, LIVE)).length === 0, 'the end of its lease');
      const other = await runBinary(['process', '--json'], project);
      expect(other.code, other.stderr).toBe(4);
      expect(JSON.parse(other.stdout)).toMatchObject({ completed: 30, remaining: 15 });

      resume(paused);
      const ended = await paused.ended;

      expect(ended.code, ended.stderr).toBe(0);
      expect(await handOvers(project)).toEqual({ takeovers: 0, stolen: 0 });
      const whole = await compareAll(project, messages.expected, { layout: 'message' });
      expect(whole.wrong).toEqual([]);
    },
  );

  it.each(['counters-moved', 'rows-completed'])(
    'in the middle of a transaction (%s) is passed over once the server gives its connection up',
    async (step) => {
      const { messages, project } = await extracted('message', { leaseSeconds: 2 });
      const paused = await startPaused(['process'], project, step);
      await until(async () => (await query(project, LIVE)).length === 0, 'the end of its lease');
      const changed = await messages.change();
      await cutConnections(project);
      const other = await runBinary(['process', '--json'], project);
      expect(other.code, other.stderr).toBe(0);
      expect(JSON.parse(other.stdout)).toMatchObject({ completed: 45, remaining: 0 });

      resume(paused);
      const ended = await paused.ended;

      expect(ended.code, ended.stderr).toBe(0);
      expect(ended.stderr).toMatch(/batch 1 is left to others/);
      expect(await handOvers(project)).toEqual({ takeovers: 1, stolen: 0 });
      const whole = await compareAll(project, changed.expected, { layout: 'message' });
      expect(whole.wrong).toEqual([]);
    },
  );
});

/** What the server does by itself after `wait_timeout`, or when it notices that a host is gone. */
async function cutConnections(project: Project): Promise<void> {
  const { database } = project.database;
  const ids = await query(
    project,
    `SELECT id FROM information_schema.processlist WHERE db = '${database}' AND id <> CONNECTION_ID()`,
  );
  for (const { id } of ids) await change(project, `KILL ${id as number}`);
}

/** Claims under a live lease, as others see them. */
const LIVE = 'SELECT 1 FROM batch_progress WHERE lease_expires_at >= NOW(6)';
const CLAIM = 'SELECT * FROM batch_progress WHERE batch_id = 1';
const ROWS = 'SELECT * FROM message_tracking ORDER BY batch_id, message_id';
