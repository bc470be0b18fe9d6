import { closeSync, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { isMigrateError, usage } from '../core/errors.js';

/** A query that names a hundred thousand ids has some MiB. */
const MOST_BYTES = 8 << 20;
const BYTES_AT_ONCE = 64 << 10;

/**
 * The text of a configuration file, which may also be a pipe; at most 8 MiB.
 *
 * @param check is asked about the very file that is read
 * @throws MigrateError `usage`, naming the file as `name`, where it can't be read; what `check` throws
 */
export function readText(path: string, name: string, check?: (file: Stats) => void): string {
  let bytes: Buffer | 'too-large';
  try {
    bytes = readBounded(path, check);
    if (bytes !== 'too-large') return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (isMigrateError(error)) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const why = READ_ERRORS.get(code) ?? `can't be read (${code})`;
    throw usage(`${name} ${why}`, undefined, error);
  }
  throw usage(`${name} has more than 8 MiB; is it the right file?`);
}

/** Never more than that: what is no plain file does not say its size, and may have no end. */
function readBounded(path: string, check?: (file: Stats) => void): Buffer | 'too-large' {
  const file = openSync(path, 'r');
  try {
    check?.(fstatSync(file));
    const chunks: Buffer[] = [];
    for (let length = 0; ;) {
      const chunk = Buffer.allocUnsafe(BYTES_AT_ONCE);
      const read = readSync(file, chunk);
      if (read === 0) return Buffer.concat(chunks, length);
      chunks.push(chunk.subarray(0, read));
      length += read;
      if (length > MOST_BYTES) return 'too-large';
    }
  } finally {
    closeSync(file);
  }
}

const READ_ERRORS = new Map([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not be read by this user'],
  ['EISDIR', 'is a directory, not a file'],
  ['ERR_ENCODING_INVALID_ENCODED_DATA', 'is not UTF-8'],
]);
