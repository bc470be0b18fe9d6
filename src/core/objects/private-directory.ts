/**
 * A directory that belongs to this user alone, in one that others may write to, such as /tmp.
 *
 * Its name is known beforehand, so somebody may have made it first, or a link in its place. What stands there is looked at
 * by `lstat`: where /tmp is sticky, only its owner can replace what was found to be a directory of ours.
 */
import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, rmdir, unlink } from 'node:fs/promises';
import { usage } from '../errors.js';
import { codeOf } from './file-faults.js';
import { HeldDirectory } from './held-directory.js';
import type { FileUser } from './owned-name.js';

/**
 * Makes the directory if it is not there, and checks it.
 * @throws MigrateError `usage` where it is a link, or no directory, or not ours alone; what mkdir throws
 */
export async function makePrivateDirectory(path: string, user: FileUser): Promise<void> {
  await mkdir(path, 0o700).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  const wrong = whatIsWrong(await lstat(path), user);
  if (wrong === undefined) return;
  throw usage(
    `Temporary files cannot be kept in ${path}: ${wrong}`,
    `Find out who made ${path} and remove it, or set TMPDIR to a directory of your own.`,
  );
}

/** Whether there is such a directory, and it is ours alone. */
export async function isPrivateDirectory(path: string, user: FileUser): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && whatIsWrong(found, user) === undefined;
}

/**
 * Removes one of our own directories with those of its files that are ours by name. Nothing is followed, and nothing is removed
 * that is no plain file of this user: a directory that is not empty then stays. What cannot be removed stays, too.
 * @returns whether it is gone
 */
export async function removeOwnDirectory(
  path: string,
  isOurs: (name: string) => boolean,
  user: FileUser,
): Promise<boolean> {
  await removeOwnFiles(path, isOurs, user).catch(() => undefined);
  return removeEmpty(path);
}

async function removeOwnFiles(
  path: string,
  isOurs: (name: string) => boolean,
  user: FileUser,
): Promise<void> {
  const directory = await HeldDirectory.open(path, false);
  try {
    for (const name of (await readdir(directory.path())).filter(isOurs)) {
      const found = await lstat(directory.path(name)).catch(() => undefined);
      if (!found?.isFile() || !isOf(found, user)) continue;
      await unlink(directory.path(name)).catch(() => undefined);
    }
  } finally {
    await directory.close();
  }
}

/** Removes a directory if it is empty; a link in its place is no directory. */
export async function removeEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

function whatIsWrong(found: Stats, user: FileUser): string | undefined {
  if (found.isSymbolicLink()) return 'it is a symbolic link';
  if (!found.isDirectory()) return 'it is not a directory';
  if (!isOf(found, user)) return `it belongs to user ${found.uid}, not to user ${user.uid ?? ''}`;
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  return (found.mode & 0o077) === 0 ? undefined : `others have access to it (its mode is ${mode})`;
}

function isOf({ uid }: Stats, user: FileUser): boolean {
  return user.uid === undefined || uid === user.uid;
}
