import { lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { usage } from '../core/errors.js';
import type { ConfigFile } from './file.js';

/** Who runs this. */
export interface User {
  /** Undefined where the system has no numbers for users. */
  readonly uid: number | undefined;
  /** The user who called sudo, if somebody did. */
  readonly sudoUid: number | undefined;
}

/** Bit of a file's mode: all users may write to it. */
const OTHERS_WRITE = 0o002;

/**
 * A configuration that lies in the working directory says where passwords are sent. In a directory that others use, somebody else
 * may have put it there: only `--config` makes such a file count.
 *
 * @returns a look at the file once it is open: by its name, another one may be there by then
 * @throws MigrateError `usage`, as that look does, where the directory, a link that leads to the file, or the file belongs to a user
 *   who is neither this one nor root, or every user may write to the file
 */
export function requireOwnFile(
  { path, name }: ConfigFile,
  { uid, sudoUid }: User,
): (file: Stats) => void {
  if (uid === undefined) return () => undefined;
  const refuse = (wrong: string) =>
    usage(
      `${name} in this folder is not read: ${wrong}, and it would say where passwords are sent`,
      `Go to a folder of your own; if you trust this file, name it: --config ${name}`,
    );
  const requireTrusted = (what: string, owner: number): void => {
    if (![0, uid, sudoUid].includes(owner))
      throw refuse(`${what} belongs to another user (uid ${owner})`);
  };
  requireTrusted('the folder', lstatSync(dirname(path)).uid);
  requireTrusted('it', lstatSync(path).uid);
  return (file) => {
    requireTrusted('it', file.uid);
    if ((file.mode & OTHERS_WRITE) !== 0) throw refuse('every user of this host may change it');
  };
}
