/**
 * The staging directory of a process: where spools put what does not fit into memory. It is removed at the end;
 * after a crash, by whoever starts next.
 *
 * The name says whose it is: `es-migrate-HOST-PID-START-RANDOM`. HOST, because hosts may share the parent
 * directory and cannot see each other's processes. START, a digest of boot and start time, because a process id
 * comes back (in a container it is always the same), and a stranger must not protect a dead one's files.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrateError, usage } from '../errors.js';
import { codeOf, oneLine } from './file-faults.js';

export interface StagingOwner {
  readonly hostname: string;
  readonly pid: number;
}

export interface Staging {
  /** Absolute where the parent is. */
  readonly directory: string;
  /** Removes the directory and whatever is in it. */
  close(): Promise<void>;
}

/** Stands for START where the platform has no /proc to tell. */
const unknownStart = '0';

/**
 * Makes a staging directory for this process, readable to its user alone.
 * @throws MigrateError `usage` where the parent is missing or not writable
 */
export async function openStaging(parentDirectory: string, owner: StagingOwner): Promise<Staging> {
  const start = (await startOf(owner.pid)) ?? unknownStart;
  const name = `es-migrate-${safeHost(owner.hostname)}-${owner.pid}-${start}-`;
  try {
    const directory = await mkdtemp(join(parentDirectory, name));
    return { directory, close: () => rm(directory, { recursive: true, force: true }) };
  } catch (error) {
    throw usage(
      `Temporary files cannot be kept in ${parentDirectory}: ${oneLine(error)}`,
      'Set TMPDIR to a directory that exists and is writable.',
      error,
    );
  }
}

/**
 * Removes the staging directories of this host's processes that no longer live.
 * What cannot be read or removed (another user's) stays.
 * @param isAlive whether a process of this id runs on this host
 * @returns the paths removed
 */
export async function removeLeftovers(
  parentDirectory: string,
  { hostname, isAlive }: { hostname: string; isAlive: (pid: number) => boolean },
): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parentDirectory).catch(() => [])) {
    const match = /^es-migrate-(.+)-(\d+)-([0-9a-f]+)-[A-Za-z0-9]{6}$/.exec(name);
    if (!match || match[1] !== safeHost(hostname)) continue;
    const pid = Number(match[2]);
    if (isAlive(pid) && isSameProcess(match[3], await startOf(pid))) continue;
    const path = join(parentDirectory, name);
    if (await remove(path)) removed.push(path);
  }
  return removed;
}

/** What a failed write to a staging file means: the run cannot go on, whatever the message. */
export function stagingError(error: unknown, path: string): MigrateError {
  const full = ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '');
  return new MigrateError(
    'unavailable',
    full
      ? `No space left for the staging file ${path}`
      : `The staging file ${path} cannot be written: ${oneLine(error)}`,
    {
      advice: full
        ? 'Free space there, set TMPDIR to a larger disk, or raise limits.maxInFlightBytes.'
        : 'Set TMPDIR to a directory that is writable.',
      cause: error,
    },
  );
}

function isSameProcess(recorded: string | undefined, found: string | undefined): boolean {
  return recorded === unknownStart || found === undefined || recorded === found;
}

async function remove(path: string): Promise<boolean> {
  try {
    await rm(path, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}

/** A digest of the boot's id and the process's start time; undefined without /proc or without the process. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    // proc(5): field 22 is the start time in clock ticks; the name in field 2 may itself hold blanks and brackets.
    const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    if (startTime === undefined) return undefined;
    return createHash('sha256').update(`${boot.trim()} ${startTime}`).digest('hex').slice(0, 12);
  } catch {
    return undefined;
  }
}

function safeHost(hostname: string): string {
  return hostname.replace(/[^A-Za-z0-9.-]/g, '_').slice(0, 100) || 'localhost';
}
