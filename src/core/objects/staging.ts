/**
 * The staging directory of a process: where spools put what does not fit into memory. It is removed at the end;
 * after a crash, by whoever starts next.
 *
 * The name says whose it is: `es-migrate-HOST-PID-START-RANDOM` (owned-name.ts).
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MigrateError, usage } from '../errors.js';
import { codeOf, oneLine } from './file-faults.js';
import { ownedName, ownerOfName, type NameOwner, type Observer } from './owned-name.js';

export interface Staging {
  /** Absolute where the parent is. */
  readonly directory: string;
  /** Removes the directory and whatever is in it. */
  close(): Promise<void>;
}

/**
 * Makes a staging directory for this process, readable to its user alone.
 * @throws MigrateError `usage` where the parent is missing or not writable
 */
export async function openStaging(parentDirectory: string, owner: NameOwner): Promise<Staging> {
  const name = `es-migrate-${await ownedName(owner)}-`;
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
 * @returns the paths removed
 */
export async function removeLeftovers(
  parentDirectory: string,
  observer: Observer,
): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parentDirectory).catch(() => [])) {
    const owned = /^es-migrate-(.+)-[A-Za-z0-9]{6}$/.exec(name)?.[1];
    if (owned === undefined || (await ownerOfName(owned, observer)) !== 'dead') continue;
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

async function remove(path: string): Promise<boolean> {
  try {
    await rm(path, { recursive: true, force: true });
    return true;
  } catch {
    return false;
  }
}
