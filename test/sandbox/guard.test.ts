import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { spawnGuarded } from '../../sandbox/guard.js';
import { startSandbox } from '../../sandbox/index.js';
import { isAlive } from '../../sandbox/lock.js';
import { startServer } from '../../sandbox/server.js';

const newSandboxDir = () => mkdtemp(join(tmpdir(), 'es-migrate-sandbox-'));

async function newHome(dir: string, name: string): Promise<string> {
  const home = join(dir, 'servers', name);
  await mkdir(home, { recursive: true });
  return home;
}

test('servers and directory go when the parent is killed with SIGKILL', async () => {
  const parent = spawn(
    process.execPath,
    [fileURLToPath(new URL('./parent.mjs', import.meta.url))],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await Promise.race([
    once(createInterface({ input: parent.stdout }), 'line'),
    once(parent, 'exit').then(() => expect.fail('the parent ended by itself')),
  ])) as [string];
  const { dir, pids } = JSON.parse(line) as { dir: string; pids: Record<string, number> };
  expect(Object.keys(pids)).toEqual(['elasticsearch', 'mysql', 's3']);
  expect(Object.values(pids).filter(isAlive)).toHaveLength(3);
  expect(existsSync(dir)).toBe(true);

  parent.kill('SIGKILL');
  await vi.waitFor(
    () => {
      expect(Object.values(pids).filter(isAlive)).toEqual([]);
      expect(existsSync(dir)).toBe(false);
    },
    { timeout: 60_000, interval: 50 },
  );
});

test('stop ends what was started and removes the directory; other servers stay', async () => {
  const [one, other] = await Promise.all([
    startSandbox({ servers: ['mysql'] }),
    startSandbox({ servers: ['s3'] }),
  ]);
  expect(one.mysql.port).not.toBe(Number(new URL(other.s3.endpoint).port));
  await one.stop();
  expect(isAlive(one.pids.mysql)).toBe(false);
  expect(existsSync(one.dir)).toBe(false);
  expect(isAlive(other.pids.s3)).toBe(true);
  await other.stop();
  expect(existsSync(other.dir)).toBe(false);
});

test('the last of several guards removes the directory', async () => {
  const dir = await newSandboxDir();
  const first = await spawnGuarded(await newHome(dir, 'first'), 'sleep', ['600']);
  const second = await spawnGuarded(await newHome(dir, 'second'), 'sleep', ['600']);
  await first.stop();
  expect(existsSync(dir)).toBe(true);
  expect(isAlive(second.pid)).toBe(true);
  await second.stop();
  expect(existsSync(dir)).toBe(false);
});

test('a server that ends by itself leaves its log until it is stopped', async () => {
  const dir = await newSandboxDir();
  const server = await spawnGuarded(await newHome(dir, 'short'), 'sh', ['-c', 'echo no; exit 7']);
  expect(await server.ended).toBe(7);
  expect(await server.log()).toBe('no\n');
  await server.stop();
  expect(existsSync(dir)).toBe(false);
});

test('a server that dies while starting is one error with the end of its log', async () => {
  const dir = await newSandboxDir();
  let attempts = 0;
  const start = startServer(dir, 'toy', () => {
    attempts++;
    return Promise.resolve({
      command: 'sh',
      args: ['-c', 'echo out of paper; exit 3'],
      ready: () => Promise.resolve(false),
      coordinates: {},
    });
  });
  await expect(start).rejects.toMatchObject({
    kind: 'usage',
    message: "the sandbox's toy ended with code 3 while starting:\n    out of paper",
  });
  expect(attempts).toBe(1);
  expect(existsSync(dir)).toBe(false);
});

test('a server whose port was taken starts with another', async () => {
  const dir = await newSandboxDir();
  let attempts = 0;
  const started = await startServer(dir, 'toy', (home) => {
    attempts++;
    const script = attempts < 3 ? 'echo bind: Address already in use; exit 1' : 'exec sleep 600';
    return Promise.resolve({
      command: 'sh',
      args: ['-c', script],
      ready: () => Promise.resolve(attempts === 3),
      coordinates: { home },
    });
  });
  expect(started.coordinates.home).toBe(join(dir, 'servers', 'toy-3'));
  await started.process.stop();
});
