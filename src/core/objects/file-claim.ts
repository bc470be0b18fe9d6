/** What is looked at in a directory before anything is written to it. */
import { constants } from 'node:fs';
import { access, lstat, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMigrateError, usage } from '../errors.js';
import { textContent } from './content.js';
import { writeNewFile } from './durable-file.js';
import { codeOf, oneLine } from './file-faults.js';
import type { FileKeyStyle } from './keys.js';
import type { FileUser } from './owned-name.js';
import { chownAdvice, type RootDirectory } from './root-directory.js';
import type { Target } from './target.js';
import type { TemporaryFiles } from './temporary-files.js';
import { isOpenToAll, refuseOpenToAll, shownMode, writersCaution } from './writable-by-others.js';

const { W_OK, X_OK } = constants;

/**
 * Who else may change what will lie in the root.
 * @returns what the user should know, a sentence each
 * @throws MigrateError `usage` where every user of the host could replace objects, or `put` would refuse a directory of the layout
 */
export async function checkRoot(
  root: RootDirectory,
  layout: Target['layout'],
  user: FileUser,
): Promise<string[]> {
  const { uid } = user;
  const found = await root.within('', (directory) => directory.stat());
  const [mode, owner] = [Number(found.mode), Number(found.uid)];
  const where = `the target directory ${root.path}`;
  refuseOpenToAll(
    `The target directory ${root.path}`,
    mode,
    'a directory below it: es-migrate makes one that only this user may enter.',
  );
  const cautions = [writersCaution(where, mode)].filter((one) => one !== undefined);
  if (uid !== undefined && owner !== uid && owner !== 0)
    cautions.push(`${where} belongs to user ${owner}, who can replace what is stored there`);
  const open = await openAncestor(root.path);
  if (open !== undefined)
    cautions.push(
      `every user can exchange ${where}: ${open} may be written by all, and is not sticky`,
    );
  return [...cautions, ...(await checkDirectories(root, layout, user))];
}

/** The nearest directory above in which every user can rename everything. */
async function openAncestor(path: string): Promise<string | undefined> {
  for (let at = dirname(path); ; at = dirname(at)) {
    if (isOpenToAll((await stat(at).catch(() => undefined))?.mode ?? 0)) return at;
    if (at === dirname(at)) return undefined;
  }
}

/**
 * Looks at the directories below the root that objects will lie in, where they are there already: what `put` would refuse in the
 * middle of the work is refused before anything is claimed.
 * @returns what the user should know, a sentence each
 * @throws MigrateError `usage` where one is another user's, a link, no directory, or may not be written
 */
async function checkDirectories(
  root: RootDirectory,
  layout: Target['layout'],
  { uid }: FileUser,
): Promise<string[]> {
  const cautions: string[] = [];
  for (const name of layout === 'message' ? ['messages'] : ['batches', '_index']) {
    const path = join(root.path, name);
    try {
      const mode = await root.check(name);
      await root.within(name, (directory) => access(directory.path(), W_OK | X_OK));
      const caution = writersCaution(path, mode);
      if (caution !== undefined && !root.isForGroup) cautions.push(caution);
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT') continue;
      if (code === 'ENOTDIR')
        throw usage(`${path} is not a directory`, 'Move it, or choose another target.url.', error);
      if (code !== 'EACCES') throw error;
      const owner = (await lstat(path)).uid;
      throw usage(
        `${path} belongs to user ${owner}, and user ${uid ?? ''}, who runs es-migrate, may not write to it`,
        chownAdvice(path, uid),
        error,
      );
    }
  }
  return cautions;
}

/** What a file that was written for this has shown of the file system. */
export interface FileSystemTraits {
  /** How keys have to be made there. */
  readonly style: FileKeyStyle;
  readonly cautions: readonly string[];
}

/**
 * Writes an empty file and looks whether it is found by its name in capitals, too, and has the mode it was given. The name is
 * random, so no other user can have put a file there.
 */
export async function tryFileSystem(
  root: RootDirectory,
  temporaries: TemporaryFiles,
  mode: number,
  signal: AbortSignal,
): Promise<FileSystemTraits> {
  const path = await temporaries.newPath();
  try {
    await writeNewFile(path, textContent(''), signal, mode);
    const found = (await lstat(path)).mode & 0o777;
    const isCaseless = await isThere(join(dirname(path), basename(path).toUpperCase()));
    const cautions = [];
    if (found !== mode)
      cautions.push(
        `the file system of ${root.path} does not keep the mode ${shownMode(mode)}: files have ${shownMode(found)} there, as it is mounted`,
      );
    if (root.mappedOwner !== undefined)
      cautions.push(
        `the file system of ${root.path} gives what this user makes to user ${root.mappedOwner}, as NFS does with root_squash: directories of that user are used as this user's own`,
      );
    return { style: isCaseless ? 'file-caseless' : 'file', cautions };
  } finally {
    await rm(path, { force: true });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Before anything was done, whatever is wrong with the directory is for the user to change. */
export function claimError(error: unknown, directory: string): unknown {
  const code = codeOf(error);
  if (code === undefined || isMigrateError(error)) return error;
  const why: Record<string, [string, string]> = {
    ENOSPC: ['is on a full disk', 'Free space there or choose another directory in target.url.'],
    EDQUOT: ['is over its quota', 'Free space there or choose another directory in target.url.'],
    EROFS: ['is on a read-only file system', 'Choose another directory in target.url.'],
    EACCES: [
      'is not writable for this user',
      'Grant access or choose another directory in target.url.',
    ],
    EPERM: [
      'is not writable for this user',
      'Grant access or choose another directory in target.url.',
    ],
    EEXIST: ['is not a directory', 'Choose another directory in target.url.'],
    ENOTDIR: ['is not a directory', 'Choose another directory in target.url.'],
  };
  const [what, advice] = why[code] ?? [
    `cannot be used: ${oneLine(error)}`,
    'Choose a directory this user may write to in target.url.',
  ];
  return usage(`The target directory ${directory} ${what}`, advice, error);
}
