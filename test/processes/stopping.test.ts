import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { change } from '../end-to-end/landed.js';
import { refusedByS3 } from '../faults/rules.js';
import { runBinary, startBinary } from '../support/binary.js';
import { runOutLeases } from '../support/lease-audit.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import {
  childrenOf,
  claimed,
  closedGate,
  completedIn,
  extracted,
  holders,
  runs,
  SETTINGS,
} from './support.js';

const PROCESS = ['process', '--processes', '3', '--json'];

async function allGone(pids: readonly number[]): Promise<boolean> {
  const running = await Promise.all(pids.map(runs));
  return !running.includes(true);
}

/** Three workers of a `process` that each hold a batch and are refused its messages until the gate opens. */
async function threeAtWork(
  count: number,
  settings: Record<string, unknown> = {},
  flags: readonly string[] = [],
) {
  const { messages, project } = await extracted({ count, settings });
  const gate = await closedGate(project, settings);
  const running = startBinary([...PROCESS, ...flags], project);
  return { messages, project, gate, running, pids: await holders(project, 3) };
}

describe('process --processes 3 ends', () => {
  it('on SIGTERM with 143: what is in flight is finished, nothing more is claimed', async () => {
    const { messages, project, gate, running, pids } = await threeAtWork(600);
    running.child.kill('SIGTERM');
    await running.shows(/SIGTERM: finishing what is in flight/);
    gate.open();
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(143);
    expect(await allGone(pids)).toBe(true);
    const completed = await completedIn(project);
    expect(JSON.parse(stdout)).toMatchObject({ completed, failed: 0, remaining: 600 - completed });
    // Two batches in flight each.
    expect(completed).toBeLessThanOrEqual(60);
    expect(await claimed(project)).toEqual([]);
    expect(stderr).not.toMatch(/was stopped|was killed|ended with/);
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('on Ctrl-C, which reaches every process, with 130 and one graceful stop each', async () => {
    const { project, gate, running, pids } = await threeAtWork(300);
    for (const pid of pids) process.kill(pid, 'SIGINT');
    running.child.kill('SIGINT');
    await running.shows(/SIGINT: finishing what is in flight/);
    gate.open();
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ completed: await completedIn(project) });
    expect(stderr).not.toMatch(/was killed|ended with/);
    expect(await claimed(project)).toEqual([]);
  });

  it('at once on a second signal, all of it', async () => {
    const { project, running, pids } = await threeAtWork(300);
    running.child.kill('SIGTERM');
    await running.shows(/SIGTERM: finishing what is in flight/);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
    await until(() => allGone(pids), 'the end of all workers');
    // Nobody had the time to give anything back.
    expect(await claimed(project)).not.toEqual([]);
  });

  it('--watch: waits in all of them, and ends with 143', async () => {
    const { messages, project } = await extracted({ count: 100 });
    const running = startBinary([...PROCESS, '--watch'], project);
    await until(async () => (await completedIn(project)) === 100, '100 messages');
    expect(await childrenOf(running)).toHaveLength(3);
    running.child.kill('SIGTERM');
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(143);
    expect(JSON.parse(stdout)).toMatchObject({ completed: 100, remaining: 0 });
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('with 5 when S3 is down: told once, all released', async () => {
    const { messages, project } = await extracted({ count: 300 });
    const proxy = await startHttpProxy(sandbox().s3.endpoint, ({ method, url }) =>
      method === 'PUT' && url.includes('/messages/') ? refusedByS3(503, 'SlowDown') : undefined,
    );
    const settings = { ...SETTINGS, retryFor: '2s' };
    await project.configure({ ...settings, target: { endpoint: proxy.url } });
    const { code, stdout, stderr } = await runBinary(PROCESS, project);
    await proxy.close();
    expect(code, stderr).toBe(5);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 5 } });
    expect(stderr.match(/S3 was down for/g)).toHaveLength(1);
    expect(await claimed(project)).toEqual([]);
    await project.configure(SETTINGS);
    expect((await runBinary(PROCESS, project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('with 1 on a bug in a worker, told in one line', async () => {
    const { project } = await extracted({ count: 100 });
    // Impossible without a hand in the database.
    await change(project, 'DELETE FROM job_runs');
    const { code, stderr } = await runBinary(PROCESS, project);
    expect(code).toBe(1);
    expect(stderr.match(/belongs to no job/g)).toHaveLength(1);
    expect(stderr).not.toMatch(/^(es-migrate: )?\s+at /m);
    const verbose = await runBinary([...PROCESS, '--verbose'], project);
    expect(verbose.stderr).toMatch(/^es-migrate: +at .*claims/m);
  });
});

describe('a process that is killed', () => {
  it('is told, the others go on and take over what it held at once', async () => {
    const {
      messages,
      project,
      gate,
      running,
      pids: [first = 0],
    } = await threeAtWork(300);
    process.kill(first, 'SIGKILL');
    await running.shows(new RegExp(`worker ${first} was killed by SIGKILL; what it held is`));
    gate.open();
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ completed: 300, failed: 0, remaining: 0 });
    expect(stderr.match(/was killed/g)).toHaveLength(1);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
    expect(whole.takeovers).toBeGreaterThan(0);
  });

  it('leaves what it held to the next run where nobody knows who holds it: 4', async () => {
    const {
      messages,
      project,
      gate,
      running,
      pids: [first = 0],
    } = await threeAtWork(300);
    // As an older es-migrate leaves it.
    await change(project, 'UPDATE batch_progress SET lease_process = NULL');
    process.kill(first, 'SIGKILL');
    await running.shows(/was killed by SIGKILL/);
    gate.open();
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(4);
    const completed = await completedIn(project);
    expect(JSON.parse(stdout)).toMatchObject({ completed, remaining: 300 - completed });
    expect(stderr).toMatch(/1 worker died with batches in hand: run it again once/);
    await runOutLeases(project);
    expect((await runBinary(PROCESS, project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('all of them: others are started, and take over what they held', async () => {
    const { messages, project, gate, running, pids } = await threeAtWork(300);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until(() => allGone(pids), 'the end of all workers');
    gate.open();
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ completed: 300, failed: 0, remaining: 0 });
    expect(stderr.match(/was killed by SIGKILL/g)).toHaveLength(3);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });

  it('all of them, with --max-batches: 4, and what to do', async () => {
    const { running, pids } = await threeAtWork(300, {}, ['--max-batches', '30']);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const { code, stdout, stderr } = await running.ended;
    expect(code, stderr).toBe(4);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 4 } });
    expect(stderr.match(/was killed by SIGKILL/g)).toHaveLength(3);
    expect(stderr).toMatch(/all 3 workers were ended from outside\n.*Run the same command again/);
  });

  it('all of them, with --watch: 5, so that a service is started again', async () => {
    const { running, pids } = await threeAtWork(300, {}, ['--watch']);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(5);
    expect(stderr).toMatch(/all 3 workers were ended from outside/);
  });

  it('the command itself: its workers stop by themselves and release what they hold', async () => {
    const { messages, project, gate, running, pids } = await threeAtWork(300);
    running.child.kill('SIGKILL');
    await running.ended;
    await until(() => allGone(pids), 'the end of all workers');
    expect(await claimed(project)).toEqual([]);
    gate.open();
    expect((await runBinary(['process'], project)).code).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });
});

describe('a worker', () => {
  it('carries no secret and no configuration on its command line', async () => {
    const { gate, running, pids } = await threeAtWork(100);
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
    for (const line of lines) {
      const [, ...args] = line.split('\0').filter(Boolean);
      expect(args).toEqual([expect.stringMatching(/workers\/worker\.js$/)]);
    }
    gate.open();
    expect((await running.ended).code).toBe(0);
  });

  it('stopped by hand releases what it holds; the others go on, and that is told', async () => {
    const {
      messages,
      project,
      gate,
      running,
      pids: [first = 0],
    } = await threeAtWork(300);
    process.kill(first, 'SIGTERM');
    await running.shows(new RegExp(`worker ${first} was stopped from outside; the others go on`));
    gate.open();
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
  });
});
