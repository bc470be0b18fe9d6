/** How files of a target `file://` are read. */
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { usage } from '../errors.js';
import { stoppable } from './durable-file.js';
import { codeOf, fileFault } from './file-faults.js';
import { HeldDirectory } from './held-directory.js';
import { LONGEST_MARKER, markerKey, notAMarker } from './marker.js';
import { openPlain, readPlain } from './plain-file.js';
import type { ByteRange } from './target.js';

/** Nothing is there: not even the directory, or a file in its place. */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');
}

/** @throws MigrateError `usage` for what is no file URL */
export function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    const advice = 'Set target.url to the bucket that holds it.';
    throw usage(`${url} is not in a directory`, advice, error);
  }
}

/** A file that the user wants to be read though it lies outside the target; a link in its place is not followed all the same. */
export async function openAnywhere(path: string): Promise<FileHandle | undefined> {
  const directory = await HeldDirectory.open(dirname(path), true);
  try {
    return await openPlain(directory.path(basename(path)));
  } catch (error) {
    throw directory.explain(error);
  } finally {
    await directory.close();
  }
}

/** @throws MigrateError `usage` where there is one, but not as a file of the size of a marker */
export async function readMarker(root: HeldDirectory, url: string): Promise<string | undefined> {
  try {
    const text = await readPlain(root.path(markerKey), LONGEST_MARKER);
    if (text !== undefined) return text;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  throw notAMarker(url);
}

/** An open file's bytes; it is closed at their end. */
export async function* readChunks(
  file: FileHandle,
  range: ByteRange | undefined,
  signal: AbortSignal,
  directory: string,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    const part = range && { start: range.start, end: range.start + range.bytes - 1 };
    yield* stoppable(file.createReadStream(part), signal);
  } catch (error) {
    throw fileFault(error, directory);
  } finally {
    await file.close();
  }
}
