import { randomBytes } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, link, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMigrateError, usage } from '../errors.js';
import { Fault } from '../fault.js';
import type { FileTargetSettings } from '../settings.js';
import { contentAsBuffer, contentChunks, textContent } from './content.js';
import { codeOf, fileFault, oneLine } from './file-faults.js';
import { claimMarker, markerKey, type MarkerStore } from './marker.js';
import type { Content, ObjectBody, PrefixOwner, StoredObject, Target } from './target.js';

/** A directory as target. Nothing is touched before `claimPrefix` or `put`. */
export function openFileTarget(settings: FileTargetSettings): Target {
  return new DirectoryTarget(settings);
}

class DirectoryTarget implements Target {
  readonly layout: Target['layout'];
  readonly #directory: string;
  /** Directories known to exist and to be durable; a promise, since several puts may need a new one at once. */
  readonly #directories = new Map<string, Promise<void>>();

  constructor(settings: FileTargetSettings) {
    this.layout = settings.layout;
    this.#directory = settings.directory;
  }

  async claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await makeRoot(this.#directory);
      await claimMarker(this.#markerStore(signal), owner);
    } catch (error) {
      throw claimError(error, this.#directory);
    }
  }

  async put(key: string, body: ObjectBody, signal: AbortSignal): Promise<StoredObject> {
    signal.throwIfAborted();
    const path = join(this.#directory, key);
    const { bytes, sha256 } = body.content;
    try {
      await this.#ensureDirectory(dirname(path));
      await writeDurably(path, body.content, signal);
    } catch (error) {
      // Somebody may have removed a directory we know: look again next time.
      if (codeOf(error) === 'ENOENT') this.#directories.clear();
      throw fileFault(error, this.#directory);
    }
    return { url: this.urlOf(key), bytes, sha256 };
  }

  async get(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    signal.throwIfAborted();
    if (!url.startsWith('file://')) {
      throw usage(`${url} is not in a directory`, 'Set target.url to the bucket that holds it.');
    }
    const path = fileURLToPath(url);
    try {
      await access(path, constants.R_OK);
      return readChunks(path, signal, this.#directory);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw fileFault(error, dirname(path));
    }
  }

  urlOf(key: string): string {
    return pathToFileURL(join(this.#directory, key)).href;
  }

  close(): Promise<void> {
    this.#directories.clear();
    return Promise.resolve();
  }

  #ensureDirectory(directory: string): Promise<void> {
    let known = this.#directories.get(directory);
    if (!known) {
      known = this.#makeDirectory(directory).catch((error: unknown) => {
        this.#directories.delete(directory);
        throw error;
      });
      this.#directories.set(directory, known);
    }
    return known;
  }

  /** Makes a directory below the root and, where it may be new, makes its name durable. */
  async #makeDirectory(directory: string): Promise<void> {
    if (directory === this.#directory) {
      await makeRoot(directory);
      return;
    }
    await this.#ensureDirectory(dirname(directory));
    await mkdir(directory).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    await syncDirectory(dirname(directory));
  }

  #markerStore(signal: AbortSignal): MarkerStore {
    const path = join(this.#directory, markerKey);
    return {
      server: 'the target directory',
      url: this.urlOf(markerKey),
      style: 'file',
      read: () => readIfThere(path),
      create: (text) => createExclusively(path, text, signal),
      replace: (text) => writeDurably(path, textContent(text), signal),
    };
  }
}

/**
 * Writes a file so that it is there whole or not at all, also after a power cut: temporary file in the same
 * directory, fsync, rename, fsync of the directory.
 *
 * The two fsyncs are what an object costs on a file system; they overlap for objects written side by side,
 * so throughput comes from concurrency.
 */
async function writeDurably(path: string, content: Content, signal: AbortSignal): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeTemporary(temporary, content, signal);
    signal.throwIfAborted();
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

async function writeTemporary(path: string, content: Content, signal: AbortSignal): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    // Many small chunks would be as many system calls.
    const whole = content.kind === 'memory' && content.bytes <= 1024 * 1024;
    if (whole) await file.writeFile(await contentAsBuffer(content));
    else await writeFile(file, stoppable(contentChunks(content), signal));
    await file.sync();
    const { size } = await file.stat();
    if (size !== content.bytes) {
      const message = `${path} has ${size} bytes after ${content.bytes} were written`;
      throw new Fault('the target directory', 'retriable', 'ShortWrite', message);
    }
  } finally {
    await file.close();
  }
}

/**
 * Ends the chunks with the signal. One that is asked needs no listener: thousands of objects may share it.
 */
async function* stoppable(
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
  }
}

/** Creates a file with its whole content at once, or leaves the one that is there. */
async function createExclusively(path: string, text: string, signal: AbortSignal): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeTemporary(temporary, textContent(text), signal);
    await link(temporary, path);
  } catch (error) {
    const code = codeOf(error);
    // No hard links here (FAT, some network file systems): a rename is whole, too, though not exclusive.
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'EOPNOTSUPP')
      await rename(temporary, path);
    else if (code !== 'EEXIST') throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(path));
}

/** A hidden name in the same directory, so that the rename stays within one file system. */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.tmp-${randomBytes(8).toString('hex')}`);
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network file systems cannot sync a directory; the file itself is durable.
    if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/**
 * Makes the directory that stands for the prefix, with its parents. Node's own `recursive` says ENOENT where the
 * disk is read-only (seen with Node 20).
 */
async function makeRoot(directory: string): Promise<void> {
  const missing = await makeOne(directory);
  if (missing) {
    await makeRoot(dirname(directory));
    await makeOne(directory);
  }
  if (!(await stat(directory)).isDirectory()) {
    throw Object.assign(new Error('not a directory'), { code: 'ENOTDIR' });
  }
}

/** Makes one directory, if it isn't there, and its name durable. True where its parent is missing. */
async function makeOne(directory: string): Promise<boolean> {
  try {
    await mkdir(directory);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && dirname(directory) !== directory) return true;
    if (code === 'EEXIST') return false;
    throw error;
  }
  await syncDirectory(dirname(directory));
  return false;
}

/** Before anything was done, whatever is wrong with the directory is for the user to change. */
function claimError(error: unknown, directory: string): unknown {
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

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function* readChunks(
  path: string,
  signal: AbortSignal,
  directory: string,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* stoppable(createReadStream(path), signal);
  } catch (error) {
    throw fileFault(error, directory);
  }
}
