import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheDir, cached } from '../../sandbox/cache.js';
import { withLock } from '../../sandbox/lock.js';
import { giveAway } from '../objects/contents.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'es-migrate-cache-'));
  vi.stubEnv('ES_MIGRATE_SANDBOX_CACHE', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** A pid that belonged to a process and belongs to none any more. */
async function deadPid(): Promise<number> {
  const child = spawn('true');
  await once(child, 'close');
  return child.pid as number;
}

test('builds once, however many ask at the same time', async () => {
  let builds = 0;
  const build = async (directory: string) => {
    builds++;
    await writeFile(join(directory, 'file'), 'built');
  };
  const paths = await Promise.all([1, 2, 3].map(() => cached('thing-1.0', build)));
  expect(builds).toBe(1);
  expect(new Set(paths)).toEqual(new Set([join(folder, 'thing-1.0')]));
  expect(await readFile(join(folder, 'thing-1.0', 'file'), 'utf8')).toBe('built');
  expect(await readdir(folder)).toEqual(['thing-1.0']);
});

test('a failed build leaves nothing, and the next one is tried', async () => {
  const failing = cached('thing-1.0', async (directory) => {
    await writeFile(join(directory, 'half'), '');
    throw new Error('no network');
  });
  await expect(failing).rejects.toThrow('no network');
  expect(await readdir(folder)).toEqual([]);
  await cached('thing-1.0', () => Promise.resolve());
  expect(existsSync(join(folder, 'thing-1.0'))).toBe(true);
});

test('what a killed builder left is taken over and removed', async () => {
  const pid = await deadPid();
  await mkdir(join(folder, `thing-1.0.tmp-${pid}`));
  await mkdir(join(folder, 'thing-1.0.lock'));
  await writeFile(join(folder, 'thing-1.0.lock', 'pid'), `${pid}\n`);
  const waiting = vi.fn();
  await cached('thing-1.0', () => Promise.resolve(), waiting);
  expect(waiting).not.toHaveBeenCalled();
  expect(await readdir(folder)).toEqual(['thing-1.0']);
});

test('waits for a holder that lives', async () => {
  const events: string[] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const path = join(folder, 'lock');
  const first = withLock(path, async () => {
    events.push('first in');
    await held;
    events.push('first out');
  });
  await vi.waitFor(() => expect(events).toEqual(['first in']));
  const second = withLock(
    path,
    () => Promise.resolve(events.push('second in')),
    () => {
      events.push('second waits');
      release();
    },
  );
  await Promise.all([first, second]);
  expect(events).toEqual(['first in', 'second waits', 'first out', 'second in']);
});

test('the cache lies where the environment says, else in XDG_CACHE_HOME or ~/.cache', () => {
  expect(cacheDir()).toBe(folder);
  vi.stubEnv('ES_MIGRATE_SANDBOX_CACHE', '');
  vi.stubEnv('XDG_CACHE_HOME', '/x');
  expect(cacheDir()).toBe('/x/es-migrate');
  vi.stubEnv('XDG_CACHE_HOME', '');
  vi.stubEnv('HOME', '/home/somebody');
  expect(cacheDir()).toBe('/home/somebody/.cache/es-migrate');
});

test.each(['made by another user in a shared directory', 'open to every user'])(
  'a cache that was %s is not used: nothing in it is run or removed',
  async (how) => {
    const shared = join(folder, 'shared');
    const cache = join(shared, 'cache');
    await mkdir(join(cache, 'thing-1.0.tmp-999999999'), { recursive: true });
    await mkdir(join(cache, 'thing-1.0'));
    await chmod(shared, 0o1777);
    if (how.startsWith('open')) await chmod(cache, 0o777);
    else await giveAway(cache);
    vi.stubEnv('ES_MIGRATE_SANDBOX_CACHE', cache);
    const nothing = () => Promise.reject(new Error('it was built'));
    for (const name of ['thing-1.0', 'other-1.0'])
      await expect(cached(name, nothing)).rejects.toThrow(/programs in it are not run/);
    expect((await readdir(cache)).sort()).toEqual(['thing-1.0', 'thing-1.0.tmp-999999999']);
  },
);
