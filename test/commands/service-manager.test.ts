import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { provide } from '../../sandbox/prerequisites.js';
import { openServiceManager } from '../../src/commands/service-manager.js';
import { SYSTEMD } from '../deploy/units.js';
import { childrenOf, extracted } from '../processes/support.js';
import { runBinary, startBinary, type Running } from '../support/binary.js';
import { openNotifySocket, PYTHON, type NotifySocket } from '../support/notify-socket.js';
import { makeProject } from '../support/project.js';
import { until } from '../support/until.js';

const WATCH = ['process', '--watch'];
const READY = ['READY=1', 'STATUS=connected'];
const STOPPING = ['STOPPING=1', 'STATUS=finishing what is in flight'];

beforeAll(() => provide([SYSTEMD, PYTHON], (line) => process.stderr.write(`${line}\n`)));

let socket: NotifySocket;
beforeEach(async () => (socket = await openNotifySocket()));

const signsOfLife = () => socket.words().filter((word) => word === 'WATCHDOG=1').length;

/** `process --watch` with 50 messages to carry, started as systemd would. */
async function watching(flags: readonly string[] = []) {
  const { project } = await extracted({ count: 50 });
  const env = { ...project.env, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '400000' };
  return startBinary([...WATCH, ...flags], { ...project, env });
}

describe('the real process --watch', () => {
  it('says that it is ready, then again and again that it is alive and where it stands, and that it stops', async () => {
    const running = await watching();
    await until(() => socket.words().includes('READY=1'), 'READY=1');
    await until(() => socket.words().some((word) => /^STATUS=process: 50 of 50/.test(word)));
    const before = signsOfLife();
    await until(() => signsOfLife() > before + 2, 'three signs of life');
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(143);
    expect(socket.words().slice(0, 2)).toEqual(READY);
    expect(socket.words().slice(-2)).toEqual(STOPPING);
    expect(stderr).not.toMatch(/service manager/);
  });

  it('says that it stops when it is told to, not only when it has ended', async () => {
    const running = await watching();
    await until(() => socket.words().includes('READY=1'), 'READY=1');
    running.child.kill('SIGTERM');
    await until(() => socket.words().includes('STOPPING=1'), 'STOPPING=1');
    expect((await running.ended).code).toBe(143);
    expect(socket.words().filter((word) => word === 'STOPPING=1')).toHaveLength(1);
  });

  it('--processes: its workers can say nothing in its name', async () => {
    const running = await watching(['--processes', '2']);
    const pids = await workersOf(running, 2);
    for (const pid of pids) {
      const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
      expect(environment).toMatch(/(^|\0)PATH=/);
      expect(environment).not.toMatch(/NOTIFY_SOCKET|WATCHDOG_/);
    }
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(143);
  });
});

async function workersOf(running: Running, count: number): Promise<number[]> {
  let workers: number[] = [];
  await until(async () => {
    const children = await childrenOf(running);
    const lines = await Promise.all(
      children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
    );
    workers = children.filter((_, i) => lines[i]?.includes('workers/worker.js'));
    return workers.length === count;
  }, `${count} workers`);
  return workers;
}

it('a command that ends by itself says so; one that cannot connect never was ready', async () => {
  const project = await makeProject({ indices: 'nothing-' });
  const env = { ...project.env, NOTIFY_SOCKET: socket.path };
  expect((await runBinary(['retry'], { ...project, env })).code).toBe(0);
  expect(socket.words()).toEqual([...READY, ...STOPPING]);
  await project.configure({ tracking: { url: 'mysql://nobody@127.0.0.1:9/none' }, retryFor: '0s' });
  expect((await runBinary(['retry'], { ...project, env })).code).toBe(5);
  expect(socket.words()).toHaveLength(4);
});

it('where systemd-notify is missing that is said once, and nothing else is different', async () => {
  const { project } = await extracted({ count: 50 });
  const empty = await mkdtemp(join(tmpdir(), 'path-'));
  const env = { ...project.env, NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '20000', PATH: empty };
  const { code, stderr } = await runBinary(['process'], { ...project, env });
  expect(code, stderr).toBe(0);
  expect(stderr.match(/not told how we are: the program systemd-notify is missing/g)).toHaveLength(
    1,
  );
  expect(socket.words()).toEqual([]);
});

describe('a service manager', () => {
  const open = (alive: () => boolean, variables: Readonly<Record<string, string>>) => {
    vi.stubEnv('NOTIFY_SOCKET', socket.path);
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    const log = vi.fn();
    return { log, manager: openServiceManager({ alive, stop: new AbortController().signal, log }) };
  };
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.useRealTimers();
  });

  it('is told that we are alive only as long as we are, and why it is not', async () => {
    let isAlive = true;
    let asked = 0;
    const alive = () => {
      asked += 1;
      return isAlive;
    };
    const { manager, log } = open(alive, { WATCHDOG_USEC: '100000' });
    manager.ready();
    await until(() => signsOfLife() > 1, 'signs of life');
    isAlive = false;
    const askedBefore = asked;
    await until(() => asked > askedBefore + 3, 'four questions');
    // One after the other: nothing is on its way once all has been told.
    await manager.stopping();
    expect(signsOfLife()).toBe(askedBefore);
    expect(log.mock.calls).toEqual([
      [
        {
          level: 'error',
          message: expect.stringMatching(/^nothing has moved for too long/) as string,
        },
      ],
    ]);
  });

  it('hears of us again once we are alive again', async () => {
    let asked = 0;
    const { manager } = open(() => ++asked > 3, { WATCHDOG_USEC: '100000' });
    manager.ready();
    await until(() => signsOfLife() > 1, 'signs of life');
    await manager.stopping();
    expect(signsOfLife()).toBe(asked - 3);
  });

  it.each([
    ['us', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: String(process.pid) }, 4],
    ['whomever it started', { WATCHDOG_USEC: '60000000' }, 4],
    ['another process', { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' }, 0],
    ['nobody', {}, 0],
  ])('that waits for signs of life of %s', async (_, variables, times) => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const alive = vi.fn(() => true);
    const { manager } = open(alive, variables);
    manager.ready();
    vi.advanceTimersByTime(120_000);
    expect(alive).toHaveBeenCalledTimes(times);
    await manager.stopping();
    expect(signsOfLife()).toBe(times);
    vi.advanceTimersByTime(120_000);
    expect(alive).toHaveBeenCalledTimes(times);
  });

  it('leaves nothing in the environment for whatever is started from here', () => {
    open(() => true, { WATCHDOG_USEC: '60000000', WATCHDOG_PID: '1' });
    const names = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];
    expect(names.filter((name) => name in process.env)).toEqual([]);
  });

  it('hears where the stages stand, and how far Elasticsearch slows them, when that has changed', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { manager } = open(() => true, {});
    manager.ready();
    const progress = {
      type: 'progress',
      stage: 'process',
      done: 20,
      total: 50,
      failed: 1,
    } as const;
    manager.report(progress);
    vi.advanceTimersByTime(90_000);
    const limit = {
      share: 0.25,
      inFlight: 1,
      reason: 'slow answers',
      requestsPerSecond: 0,
      since: 0,
    } as const;
    manager.report({ type: 'limit', limit });
    vi.advanceTimersByTime(90_000);
    await manager.stopping();
    expect(socket.words()).toEqual([
      ...READY,
      expect.stringMatching(/^STATUS=process: 20 of 50, .*1 failed/),
      expect.stringMatching(/^STATUS=process: 20 of 50, .*slowed to 25 % \(slow answers\)/),
      ...STOPPING,
    ]);
  });
});
