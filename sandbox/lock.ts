import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 200;
const TOUCH_MS = 5_000;
/** A holder touches its lock every 5 s; one untouched for this long was left behind. */
const STALE_MS = 60_000;

/**
 * Runs `work` while holding the lock directory `path`, which names its owner's pid. Waits while another
 * process holds it; takes over from one that died. What is done under the lock must still be safe when
 * two processes do it at once (two may take over in the same instant): it saves work, no more.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  waiting: () => void = () => undefined,
  stop?: AbortSignal,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  for (let first = true; !(await acquire(path)); first = false) {
    if (await isStale(path)) {
      await discard(path);
      continue;
    }
    if (first) waiting();
    await delay(POLL_MS, undefined, { signal: stop });
  }
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await rm(path, { recursive: true, force: true });
  }
}

/** True while a process with that pid exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function acquire(path: string): Promise<boolean> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  await writeFile(join(path, 'pid'), `${process.pid}\n`);
  return true;
}

async function isStale(path: string): Promise<boolean> {
  try {
    const touched = await stat(path);
    if (Date.now() - touched.mtimeMs > STALE_MS) return true;
    const pid = Number(await readFile(join(path, 'pid'), 'utf8'));
    return pid > 0 && !isAlive(pid);
  } catch {
    // Released, or not signed yet: neither is stale.
    return false;
  }
}

/** By rename, so that of several who saw it stale one removes it and the others find it gone. */
async function discard(path: string): Promise<void> {
  const away = `${path}.${randomUUID()}`;
  try {
    await rename(path, away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await rm(away, { recursive: true, force: true });
}
