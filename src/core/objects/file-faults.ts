import { MigrateError, usage } from '../errors.js';
import { Fault } from '../fault.js';
import { serverText } from '../server-text.js';

const noSpace = new Set(['ENOSPC', 'EDQUOT']);
const notAllowed = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ELOOP']);
const refused = new Set(['ENAMETOOLONG', 'EFBIG', 'EINVAL', 'EILSEQ']);

/** The system's own name for an error (`ENOSPC`), undefined for errors that are not the system's. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** An error's message without line breaks. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return serverText(text).replaceAll(/\s+/g, ' ');
}

/**
 * What an error of the file system means for a run that writes to `directory`. Errors that are not the
 * system's, and those that were mapped before, come back as they are.
 */
export function fileFault(error: unknown, directory: string): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  if (noSpace.has(code)) {
    return new MigrateError('unavailable', `The target directory ${directory} is full (${code})`, {
      advice: 'Free space there or raise the quota, then start again: it goes on where it stopped.',
      cause: error,
    });
  }
  if (notAllowed.has(code)) {
    return usage(
      `The target directory ${directory} cannot be used: ${oneLine(error)}`,
      'Check that target.url names a directory this user may write to.',
      error,
    );
  }
  const faultClass = refused.has(code) ? 'request' : 'retriable';
  return new Fault('the target directory', faultClass, code, oneLine(error), { cause: error });
}
