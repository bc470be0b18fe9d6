import { lstatSync, statSync } from 'node:fs';
import { usage } from '../core/errors.js';

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
 * @param name as it is shown to the user
 * @throws MigrateError `usage` where the file, or the link that leads to it, belongs to a user who is neither this one nor root, or
 *   every user may write to it
 */
export function requireOwnFile(path: string, name: string, { uid, sudoUid }: User): void {
  if (uid === undefined) return;
  const link = lstatSync(path);
  const file = statSync(path);
  const foreign = [link, file].find((one) => ![0, uid, sudoUid].includes(one.uid));
  const wrong = foreign
    ? `belongs to another user (uid ${foreign.uid})`
    : (file.mode & OTHERS_WRITE) !== 0
      ? 'may be changed by every user of this host'
      : undefined;
  if (wrong === undefined) return;
  throw usage(
    `${name} in this folder ${wrong}, so it is not read: it says where passwords are sent`,
    `Go to a folder of your own; if you trust this file, name it: --config ${name}`,
  );
}
