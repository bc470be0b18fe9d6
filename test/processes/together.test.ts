import { describe, expect, it } from 'vitest';
import { sampleIndices } from '../../sandbox/sample.js';
import { RANGE, loadMessages } from '../hosts/messages.js';
import { runBinary, startBinary } from '../support/binary.js';
import { auditLeases, handOvers } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { compareAll } from '../support/whole.js';
import { change } from '../end-to-end/landed.js';
import { claimed, closedGate, completedIn, extracted, holders } from './support.js';

describe('process --processes 3', () => {
  it.each(['message', 'batch'] as const)(
    'carries everything exactly once and tells it as one, layout %s',
    async (layout) => {
      const { messages, project } = await extracted({ count: 600, layout });
      await auditLeases(project);
      // Reading begins when all three have claimed something.
      const gate = await closedGate(project);
      const running = startBinary(['process', '--processes', '3', '--json'], project);
      const pids = await holders(project, 3);
      expect(pids).not.toContain(running.child.pid);
      gate.open();
      const { code, stdout, stderr } = await running.ended;

      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        completed: 600,
        failed: 0,
        requeued: 0,
        remaining: 0,
      });
      const progress = stderr.match(/process: \d+ of .*/g) ?? [];
      expect(progress.at(-1)).toMatch(/^process: 600 of 600, .*, 0 failed$/);
      expect(await handOvers(project)).toEqual({ takeovers: 0, stolen: 0 });
      expect((await compareAll(project, messages.expected, { layout })).wrong).toEqual([]);
    },
  );

  it('3: counts the failures of all, and puts them back once', async () => {
    const { messages, project } = await extracted({ count: 300 });
    const index = sampleIndices(messages.indices).messages;
    const document = `${sandbox().elasticsearch.url}/${index}/_doc/${encodeURIComponent('message/7')}`;
    const source = '{"timestamp":"2024-10-01T10:00:00Z","version":1.0,"text":"1"}';
    await fetch(`${document}?refresh=true`, { method: 'DELETE' });
    const first = await runBinary(['process', '--processes', '3', '--json'], project);
    expect(first.code, first.stderr).toBe(3);
    expect(JSON.parse(first.stdout)).toMatchObject({
      completed: 299,
      failed: 1,
      requeued: 0,
      remaining: 0,
    });

    await fetch(`${document}?refresh=true`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: source,
    });
    // As if it had failed for a reason that may pass.
    await change(
      project,
      "UPDATE message_tracking SET error_code = 'upload_failed' WHERE status = 'failed'",
    );
    const second = await runBinary(['process', '--processes', '3', '--json'], project);
    expect(second.code, second.stderr).toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({
      completed: 1,
      failed: 0,
      requeued: 1,
      remaining: 0,
    });
    expect(second.stderr.match(/failed messages are tried again/g)).toHaveLength(1);
  });

  it('starts nobody where nothing is to be done', async () => {
    const { project } = await extracted({ count: 20 });
    expect((await runBinary(['process'], project)).code).toBe(0);
    const ended = await runBinary(['process', '--processes', '3', '--json'], {
      ...project,
      // Whoever claims is killed.
      env: { ...project.env, ES_MIGRATE_TEST_STOP_AT: 'SIGKILL batch-claimed 1' },
      preload: ['stop-at.mjs'],
    });
    expect(ended.code, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ completed: 0, remaining: 0 });
  });

  it.each([5, 2])('--max-batches %i holds for all of them together', async (maxBatches) => {
    const { messages, project } = await extracted({ count: 300 });
    const flags = ['--processes', '3', '--max-batches', String(maxBatches), '--json'];
    const ended = await runBinary(['process', ...flags], project);
    expect(ended.code, ended.stderr).toBe(0);
    const completed = maxBatches * 10;
    expect(JSON.parse(ended.stdout)).toMatchObject({ completed, remaining: 300 - completed });
    expect(await completedIn(project)).toBe(completed);
    expect(await claimed(project)).toEqual([]);
    expect((await runBinary(['process', '--processes', '2'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('--max-runtime ends all of them', async () => {
    const { project } = await extracted({ count: 300 });
    const flags = ['--processes', '2', '--watch', '--max-runtime', '3s', '--json'];
    const ended = await runBinary(['process', ...flags], project);
    expect(ended.code, ended.stderr).toBe(0);
    const completed = await completedIn(project);
    expect(JSON.parse(ended.stdout)).toMatchObject({ completed, remaining: 300 - completed });
    expect(await claimed(project)).toEqual([]);
  });
});

describe('run --processes 2', () => {
  it('does the whole one-off', async () => {
    const messages = await loadMessages({ count: 200 });
    const settings = { batchSize: 10, concurrency: 2 };
    const project = await makeProject({ indices: messages.indices, layout: 'batch', settings });
    const ended = await runBinary(['run', ...RANGE, '--processes', '2', '--json'], project);
    expect(ended.code, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      process: { completed: 200, failed: 0, remaining: 0 },
      verify: { ok: true },
    });
    const whole = await compareAll(project, messages.expected, { layout: 'batch' });
    expect(whole.wrong).toEqual([]);
  });
});
