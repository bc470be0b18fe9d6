/**
 * The files below a directory, in the order of their keys' bytes, which is S3's. In memory are the names of the directories
 * on the way to the current file, and of what lies in them.
 */
import { lstat, readdir } from 'node:fs/promises';
import { codeOf } from './file-faults.js';
import type { HeldDirectory } from './held-directory.js';
import type { RootDirectory } from './root-directory.js';
import type { ListedObject } from './target.js';

/** Files asked for their length at once. */
const atOnce = 64;

/**
 * Every file behind `after` (a key), whoever made it. What is neither file nor directory counts as a file of the length
 * `lstat` gives: links are not followed. What vanishes meanwhile is left out.
 */
export async function* filesBelow(
  root: RootDirectory,
  after: string | undefined,
): AsyncGenerator<ListedObject, void, void> {
  yield* walk(root, '', after === undefined ? undefined : Buffer.from(after));
}

async function* walk(
  root: RootDirectory,
  start: string,
  after: Buffer | undefined,
): AsyncGenerator<ListedObject, void, void> {
  let files: Entry[] = [];
  for (const entry of await sortedEntries(root, start)) {
    const key = start + entry.name;
    if (after && isPassed(key, entry.isDirectory, after)) continue;
    if (!entry.isDirectory) {
      files.push(entry);
      if (files.length < atOnce) continue;
    }
    yield* withLengths(root, start, files);
    files = [];
    if (entry.isDirectory) yield* walk(root, `${key}/`, after);
  }
  yield* withLengths(root, start, files);
}

/** Whether everything this entry stands for lies before `after` or is it. */
function isPassed(key: string, isDirectory: boolean, after: Buffer): boolean {
  if (!isDirectory) return Buffer.compare(Buffer.from(key), after) <= 0;
  const start = Buffer.from(`${key}/`);
  return Buffer.compare(start, after.subarray(0, start.length)) < 0;
}

interface Entry {
  readonly name: string;
  readonly isDirectory: boolean;
  /** Where it was looked at already; without a length it had vanished. */
  readonly looked?: { readonly bytes: number | undefined };
}

/**
 * A directory stands where its files' keys do: behind its name comes a slash. The lengths of a few files come along, so that a
 * directory of few is opened once.
 */
async function sortedEntries(root: RootDirectory, start: string): Promise<Entry[]> {
  const read = async (directory: HeldDirectory) => {
    const found = await readdir(directory.path(), { withFileTypes: true });
    const isFew = found.filter((entry) => !entry.isDirectory()).length <= atOnce;
    return Promise.all(
      found.map(async (entry) => {
        const { name } = entry;
        const isDirectory = entry.isDirectory();
        const order = Buffer.from(isDirectory ? `${name}/` : name);
        if (isDirectory || !isFew) return { name, isDirectory, order };
        const looked = { bytes: await lengthOf(directory.path(name)) };
        return { name, isDirectory, order, looked };
      }),
    );
  };
  const entries = await root.within(keyOf(start), read).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
  return entries.sort((a, b) => Buffer.compare(a.order, b.order));
}

async function* withLengths(
  root: RootDirectory,
  start: string,
  files: readonly Entry[],
): AsyncGenerator<ListedObject, void, void> {
  const lengths = await lengthsOf(root, start, files);
  for (const [at, { name }] of files.entries()) {
    const bytes = lengths[at];
    if (bytes !== undefined) yield { key: start + name, bytes, etag: undefined };
  }
}

async function lengthsOf(
  root: RootDirectory,
  start: string,
  files: readonly Entry[],
): Promise<(number | undefined)[]> {
  if (files.every(({ looked }) => looked)) return files.map(({ looked }) => looked?.bytes);
  const look = (directory: HeldDirectory) =>
    Promise.all(files.map(({ name }) => lengthOf(directory.path(name))));
  return root.within(keyOf(start), look).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
}

/** Of a directory, by how its files' keys begin. */
function keyOf(start: string): string {
  return start.slice(0, -1);
}

async function lengthOf(path: string): Promise<number | undefined> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    // A name that isn't UTF-8 cannot be asked for as it is shown; its file is there all the same.
    return path.includes('\uFFFD') ? 0 : undefined;
  }
}
