/** Who else may write to a directory, as its mode says. */
import { usage } from '../errors.js';

const STICKY = 0o1000;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** Whether every user of the host can rename and remove what is in it. */
export function isOpenToAll(mode: number): boolean {
  return (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0;
}

/**
 * @param directory how it is named at the start of a sentence
 * @param otherwise what to do, besides taking the permission away
 * @throws MigrateError `usage` where every user of the host could replace what is in it
 */
export function refuseOpenToAll(directory: string, mode: number, otherwise: string): void {
  if (!isOpenToAll(mode)) return;
  throw usage(
    `${directory} may be written by every user (its mode is ${shownMode(mode)}): any of them could replace what is stored there`,
    `Take that permission away (chmod o-w, or the umask it is mounted with), or give target.url ${otherwise}`,
  );
}

/** What the user should know where others may add to a directory; undefined where they may not. */
export function writersCaution(directory: string, mode: number): string | undefined {
  const writers =
    (mode & OTHERS_WRITE) !== 0
      ? 'every user'
      : (mode & GROUP_WRITES) !== 0
        ? 'its group'
        : undefined;
  return writers && `${directory} may be written by ${writers} (its mode is ${shownMode(mode)})`;
}

/** A mode in octal digits, as chmod takes it. */
export function shownMode(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
