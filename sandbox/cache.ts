import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { usage } from '../src/core/errors.js';
import { isAlive, withLock } from './lock.js';

/** Where downloads and builds are kept between runs. */
export function cacheDir(): string {
  const own = process.env['ES_MIGRATE_SANDBOX_CACHE'];
  if (own) return own;
  const xdg = process.env['XDG_CACHE_HOME'];
  return join(xdg ? xdg : join(homedir(), '.cache'), 'es-migrate');
}

/** True when {@link cached} would find `name` ready. */
export function isCached(name: string): boolean {
  return existsSync(join(cacheDir(), name));
}

/**
 * The cached directory `name`, which carries the version in its name; built first where it is missing.
 * It is built under a temporary name and renamed, so it is complete whenever it exists, even if a builder
 * is killed or two processes build at once.
 *
 * @param build fills the empty directory it is given.
 * @param waiting is called once when another process is building the same.
 * @param stop ends waiting; `build` watches it itself.
 * @throws MigrateError `usage` where other users may put programs into the cache
 */
export async function cached(
  name: string,
  build: (directory: string) => Promise<void>,
  waiting?: () => void,
  stop?: AbortSignal,
): Promise<string> {
  const path = join(cacheDir(), name);
  await requireOwnCache(cacheDir());
  if (existsSync(path)) return path;
  await withLock(
    `${path}.lock`,
    async () => {
      if (existsSync(path)) return;
      await removeAbandoned(path);
      const directory = `${path}.tmp-${process.pid}`;
      await mkdir(directory, { recursive: true });
      try {
        await build(directory);
        await rename(directory, path).catch((error: unknown) => {
          if (!existsSync(path)) throw error;
        });
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    waiting,
    stop,
  );
  return path;
}

/** What lies in the cache is run, and what is left over there is removed: by this user, so no other one may have put it there. */
async function requireOwnCache(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const [found, parent] = [await stat(directory), await stat(dirname(directory))];
  const mayAllWrite = (mode: number) => (mode & 0o002) !== 0;
  const isTheirs = ![0, process.geteuid?.() ?? found.uid].includes(found.uid);
  if (!mayAllWrite(found.mode) && !(isTheirs && mayAllWrite(parent.mode))) return;
  const why = isTheirs ? `belongs to user ${found.uid}` : 'may be written by every user';
  throw usage(
    `the cache ${directory} ${why}: programs in it are not run`,
    'Set ES_MIGRATE_SANDBOX_CACHE to a directory of your own.',
  );
}

/** Removes what builders left that were killed half-way. */
async function removeAbandoned(path: string): Promise<void> {
  const prefix = `${basename(path)}.tmp-`;
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(prefix) && !isAlive(Number(name.slice(prefix.length)))) {
      await rm(join(dirname(path), name), { recursive: true, force: true });
    }
  }
}
