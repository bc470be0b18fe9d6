import { constants, createReadStream } from 'node:fs';
import { access, mkdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isMigrateError, usage } from '../errors.js';
import { Fault } from '../fault.js';
import type { FileTargetSettings } from '../settings.js';
import { reached } from '../steps.js';
import { textContent } from './content.js';
import { filesBelow } from './directory-walk.js';
import { makeRoot, stoppable, syncDirectory, writeNewFile } from './durable-file.js';
import { codeOf, fileFault, oneLine } from './file-faults.js';
import { claimMarker, markerKey, type MarkerStore } from './marker.js';
import type { NameOwner, Observer } from './owned-name.js';
import { linkFile, placeFile } from './place-file.js';
import type {
  ByteRange,
  Content,
  ListedObject,
  ListedPage,
  ObjectBody,
  ObjectStat,
  ClaimedPrefix,
  PrefixOwner,
  StoredObject,
  Target,
  UnfinishedUpload,
} from './target.js';
import { isTemporary, temporaryDirectory, TemporaryFiles } from './temporary-files.js';

/** Objects a page of `list`, as S3 has it. */
const pageSize = 1000;

/** A directory as target. Nothing is touched before `claimPrefix` or `put`. */
export function openFileTarget(settings: FileTargetSettings, host: NameOwner & Observer): Target {
  return new DirectoryTarget(settings, host);
}

class DirectoryTarget implements Target {
  readonly layout: Target['layout'];
  readonly #directory: string;
  readonly #temporaries: TemporaryFiles;
  /** Directories known to exist and to be durable; a promise, since several puts may need a new one at once. */
  readonly #directories = new Map<string, Promise<void>>();
  /**
   * Where the last page of `list` ended: the next needn't read the directories on the way there again. What others change
   * there meanwhile may be seen late.
   */
  #listed: { after: string; files: AsyncGenerator<ListedObject, void, void> } | undefined;

  constructor(settings: FileTargetSettings, host: NameOwner & Observer) {
    this.layout = settings.layout;
    this.#directory = settings.directory;
    this.#temporaries = new TemporaryFiles(settings.directory, host);
  }

  async claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<ClaimedPrefix> {
    signal.throwIfAborted();
    try {
      await makeRoot(this.#directory);
      await this.#temporaries.removeLeftovers();
      return await claimMarker(this.#markerStore(signal), owner);
    } catch (error) {
      throw claimError(error, this.#directory);
    }
  }

  /**
   * The file is written under a temporary name and fsynced, then gets its name, then that is fsynced. The two fsyncs are
   * what an object costs on a file system; they overlap for objects written side by side, so throughput comes from
   * concurrency.
   */
  async put(
    key: string,
    { content }: ObjectBody,
    signal: AbortSignal,
    beforeReplacing?: () => Promise<void>,
  ): Promise<StoredObject> {
    signal.throwIfAborted();
    const path = this.#pathOf(key);
    this.#listed = undefined;
    try {
      await this.#ensureDirectory(dirname(path));
      reached('upload-begun');
      await this.#withTemporary(content, signal, (temporary) =>
        placeFile(temporary, path, content, beforeReplacing),
      );
      await syncDirectory(dirname(path));
    } catch (error) {
      throw this.#fault(error);
    }
    reached('object-uploaded');
    const { bytes, sha256 } = content;
    return { url: this.urlOf(key), bytes, sha256, etag: undefined };
  }

  async get(
    url: string,
    signal: AbortSignal,
    range?: ByteRange,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    signal.throwIfAborted();
    const path = pathOfUrl(url);
    try {
      // Anything but a file is no object; a pipe would wait for ever.
      if (!(await stat(path)).isFile()) return undefined;
      await access(path, constants.R_OK);
      return readChunks(path, range, signal, this.#directory);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw fileFault(error, dirname(path));
    }
  }

  async stat(url: string, signal: AbortSignal): Promise<ObjectStat | undefined> {
    signal.throwIfAborted();
    const path = pathOfUrl(url);
    try {
      const found = await stat(path);
      return found.isFile() ? { bytes: found.size, etag: undefined, sha256: undefined } : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw fileFault(error, dirname(path));
    }
  }

  async list(after: string | undefined, signal: AbortSignal): Promise<ListedPage> {
    signal.throwIfAborted();
    const last = this.#listed;
    this.#listed = undefined;
    const files = last && last.after === after ? last.files : filesBelow(this.#directory, after);
    const objects: ListedObject[] = [];
    try {
      while (objects.length < pageSize) {
        const { value, done } = await files.next();
        signal.throwIfAborted();
        if (done) return { objects, last: true };
        if (isListed(value.key)) objects.push(value);
      }
    } catch (error) {
      throw this.#fault(error);
    }
    this.#listed = { after: objects.at(-1)?.key ?? '', files };
    return { objects, last: false };
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    this.#listed = undefined;
    for (const key of keys) {
      signal.throwIfAborted();
      const path = this.#pathOf(key);
      await unlink(path).catch((error: unknown) => {
        if (!isAbsent(error)) throw this.#fault(error);
      });
    }
  }

  /** Temporary files, unless a living process of this host writes them; whether another host's do live cannot be told. */
  async unfinished(signal: AbortSignal): Promise<readonly UnfinishedUpload[]> {
    signal.throwIfAborted();
    try {
      return await this.#temporaries.unfinished();
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async abandon({ id }: Pick<UnfinishedUpload, 'id'>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await this.#temporaries.remove(id);
    } catch (error) {
      throw this.#fault(error);
    }
  }

  keyOf(url: string): string | undefined {
    const start = `${this.urlOf('')}/`;
    if (!url.startsWith(start)) return undefined;
    try {
      const key = fileURLToPath(url).slice(fileURLToPath(start).length);
      // A URL that spells its path in another way is none of ours.
      return key !== '' && this.urlOf(key) === url ? key : undefined;
    } catch {
      return undefined;
    }
  }

  urlOf(key: string): string {
    return pathToFileURL(join(this.#directory, key)).href;
  }

  close(): Promise<void> {
    this.#directories.clear();
    this.#listed = undefined;
    return Promise.resolve();
  }

  /** Keys are made by keys.ts, or listed; but those kept in the tracking tables may have been edited by hand. */
  #pathOf(key: string): string {
    const bad = (segment: string) => ['', '.', '..'].includes(segment) || segment.includes('\0');
    if (key.split('/').some(bad)) {
      const message = `${JSON.stringify(key)} is no key of an object`;
      throw new Fault('the target directory', 'request', 'InvalidKey', message);
    }
    return join(this.#directory, key);
  }

  /** Writes the content to a temporary file, which is gone afterwards, whatever `use` does. */
  async #withTemporary(
    content: Content,
    signal: AbortSignal,
    use: (path: string) => Promise<unknown>,
  ): Promise<void> {
    const temporary = await this.#temporaries.newPath();
    try {
      await writeNewFile(temporary, content, signal);
      signal.throwIfAborted();
      await use(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #fault(error: unknown): unknown {
    // Somebody may have removed a directory we know: look again next time.
    if (codeOf(error) === 'ENOENT') {
      this.#directories.clear();
      this.#temporaries.forget();
    }
    return fileFault(error, this.#directory);
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
    const write = async (text: string, place: (temporary: string) => Promise<unknown>) => {
      await this.#withTemporary(textContent(text), signal, place);
      await syncDirectory(this.#directory);
    };
    return {
      server: 'the target directory',
      url: this.urlOf(markerKey),
      style: 'file',
      read: () => readIfThere(path),
      create: (text) =>
        write(text, async (temporary) => {
          // Without links, a rename: whole, too, though who comes last wins, and is found by reading it back.
          if ((await linkFile(temporary, path)) === 'no links here') await rename(temporary, path);
        }),
      replace: (text) => write(text, (temporary) => rename(temporary, path)),
      heedsConditions: () => Promise.resolve(true),
    };
  }
}

/** Neither the marker nor what is being written. */
function isListed(key: string): boolean {
  const start = `${temporaryDirectory}/`;
  return key !== markerKey && !(key.startsWith(start) && isTemporary(key.slice(start.length)));
}

/** Nothing is there: not even the directory, or a file in its place. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    const advice = 'Set target.url to the bucket that holds it.';
    throw usage(`${url} is not in a directory`, advice, error);
  }
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
  range: ByteRange | undefined,
  signal: AbortSignal,
  directory: string,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    const part = range && { start: range.start, end: range.start + range.bytes - 1 };
    yield* stoppable(createReadStream(path, part), signal);
  } catch (error) {
    throw fileFault(error, directory);
  }
}
