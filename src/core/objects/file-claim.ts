/** What is looked at in a directory before anything is written to it. */
import { lstat, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMigrateError, usage } from '../errors.js';
import { textContent } from './content.js';
import { writeNewFile } from './durable-file.js';
import { codeOf, oneLine } from './file-faults.js';
import type { FileKeyStyle } from './keys.js';
import type { FileUser } from './owned-name.js';
import type { RootDirectory } from './root-directory.js';
import type { TemporaryFiles } from './temporary-files.js';

/** Bits of a mode. */
const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/**
 * Who else may change what will lie in the root.
 * @returns what the user should know, a sentence each
 * @throws MigrateError `usage` where every user of the host could replace objects
 */
export async function checkRoot(root: RootDirectory, { uid }: FileUser): Promise<string[]> {
  const found = await root.within('', (directory) => directory.stat());
  const [mode, owner] = [Number(found.mode), Number(found.uid)];
  const where = `the target directory ${root.path}`;
  if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    throw usage(
      `The target directory ${root.path} may be written by every user (its mode is ${shown(mode)}): any of them could replace what is stored there`,
      'Take that permission away (chmod o-w, or the umask it is mounted with), or give target.url a directory below it: es-migrate makes one that only this user may enter.',
    );
  }
  const cautions: string[] = [];
  if ((mode & OTHERS_WRITE) !== 0)
    cautions.push(`${where} may be written by every user (its mode is ${shown(mode)})`);
  else if ((mode & GROUP_WRITES) !== 0)
    cautions.push(`${where} may be written by its group (its mode is ${shown(mode)})`);
  if (uid !== undefined && owner !== uid && owner !== 0)
    cautions.push(`${where} belongs to user ${owner}, who can replace what is stored there`);
  const open = await openAncestor(root.path);
  if (open !== undefined)
    cautions.push(
      `every user can exchange ${where}: ${open} may be written by all, and is not sticky`,
    );
  return cautions;
}

/** The nearest directory above in which every user can rename everything. */
async function openAncestor(path: string): Promise<string | undefined> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const mode = (await stat(at).catch(() => undefined))?.mode ?? 0;
    if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) return at;
    if (at === dirname(at)) return undefined;
  }
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
        `the file system of ${root.path} does not keep the mode ${shown(mode)}: files have ${shown(found)} there, as it is mounted`,
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

function shown(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
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
