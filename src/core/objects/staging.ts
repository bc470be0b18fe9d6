/**
 * The staging directory of a process: where spools put what does not fit into memory. It is removed at the end;
 * after a crash, by whoever starts next.
 *
 * `TMPDIR/es-migrate-UID/HOST-PID-BOOT-NAMESPACE-START-RANDOM/spool-RANDOM`: the first directory is the user's, since TMPDIR may be everybody's
 * (private-directory.ts); the second says which process it belongs to (owned-name.ts). Files are removed one by one, by their
 * names, never a directory with whatever is in it: in a directory that others may write to, what is in it can be exchanged for a
 * link to something else while it is being removed. Platforms without user ids are not supported; there the first directory is
 * `es-migrate`, and is only checked for being one.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isMigrateError, MigrateError, usage } from '../errors.js';
import { codeOf, oneLine } from './file-faults.js';
import { HeldDirectory } from './held-directory.js';
import {
  ownedName,
  ownerOfName,
  type FileUser,
  type NameOwner,
  type Observer,
} from './owned-name.js';
import {
  isPrivateDirectory,
  makePrivateDirectory,
  removeEmpty,
  removeOwnDirectory,
} from './private-directory.js';

export interface Staging {
  /** Absolute where the parent is. */
  readonly directory: string;
  /** Removes our files in the directory, and the directories that are empty then. */
  close(): Promise<void>;
}

/** So often another process of this user may end, and remove the user's directory, while a new one is made in it. */
const MOST_ROUNDS = 20;

/** A new name for a staging file. */
export function stagingFileName(): string {
  return `spool-${randomBytes(8).toString('hex')}`;
}

function isStagingFile(name: string): boolean {
  return /^spool-[0-9a-f]{16}$/.test(name);
}

/**
 * Makes a staging directory for this process, readable to its user alone.
 * @throws MigrateError `usage` where the parent is missing or not writable, or another user made the directory that is to be ours
 */
export async function openStaging(
  parentDirectory: string,
  owner: NameOwner & FileUser,
): Promise<Staging> {
  const own = userDirectory(parentDirectory, owner);
  try {
    const directory = await makeOwn(own, `${await ownedName(owner)}-`, owner);
    const close = async () => {
      await removeOwnDirectory(directory, isStagingFile, owner);
      await removeEmpty(own);
    };
    return { directory, close };
  } catch (error) {
    if (isMigrateError(error)) throw error;
    throw usage(
      `Temporary files cannot be kept in ${parentDirectory}: ${oneLine(error)}`,
      'Set TMPDIR to a directory that exists and is writable.',
      error,
    );
  }
}

/**
 * Removes the staging directories of this host's and this user's processes that no longer live. Whatever else lies in them stays,
 * and they with it.
 * @returns the paths removed
 */
export async function removeLeftovers(
  parentDirectory: string,
  observer: Observer & FileUser,
): Promise<string[]> {
  const own = userDirectory(parentDirectory, observer);
  if (!(await isPrivateDirectory(own, observer))) return [];
  const removed: string[] = [];
  for (const name of await readdir(own).catch(() => [])) {
    const owned = /^(.+)-[A-Za-z0-9]{6}$/.exec(name)?.[1];
    if (owned === undefined || (await ownerOfName(owned, observer)) !== 'dead') continue;
    const path = join(own, name);
    if (!(await isPrivateDirectory(path, observer))) continue;
    if (await removeOwnDirectory(path, isStagingFile, observer)) removed.push(path);
  }
  await removeEmpty(own);
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

function userDirectory(parentDirectory: string, { uid }: FileUser): string {
  return join(parentDirectory, uid === undefined ? 'es-migrate' : `es-migrate-${uid}`);
}

/**
 * The user's directory is removed by the process that ends last. It is checked again when the new one was made in it: then ours is
 * not empty any more, and stays, or it was another user's for a moment, and ours is not in it.
 */
async function makeOwn(own: string, start: string, user: FileUser): Promise<string> {
  for (let round = 1; ; round += 1) {
    try {
      await makePrivateDirectory(own, user);
      const directory = join(own, await makeInside(own, start));
      await makePrivateDirectory(own, user);
      if (await isPrivateDirectory(directory, user)) return directory;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || round >= MOST_ROUNDS) throw error;
    }
    if (round >= MOST_ROUNDS) throw new Error(`${own} is removed again and again`);
  }
}

/** The name of a new directory in one that is not a link, also if it was exchanged for one just now. */
async function makeInside(own: string, start: string): Promise<string> {
  const held = await HeldDirectory.open(own, false);
  try {
    return basename(await mkdtemp(held.path(start)));
  } catch (error) {
    throw held.explain(error);
  } finally {
    await held.close();
  }
}
