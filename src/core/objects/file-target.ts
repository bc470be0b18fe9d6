import { lstat, rename, rm, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Fault } from '../fault.js';
import type { FileTargetSettings } from '../settings.js';
import { reached } from '../steps.js';
import { textContent } from './content.js';
import { filesBelow } from './directory-walk.js';
import { makeRoot, writeNewFile } from './durable-file.js';
import { checkRoot, claimError, tryFileSystem } from './file-claim.js';
import { codeOf, fileFault } from './file-faults.js';
import { isAbsent, openAnywhere, pathOfUrl, readChunks, readMarker } from './file-read.js';
import type { FileKeyStyle } from './keys.js';
import { claimMarker, markerKey, type MarkerStore } from './marker.js';
import { outsideTarget } from './outside.js';
import type { FileUser, NameOwner, Observer } from './owned-name.js';
import { linkFile, placeFile } from './place-file.js';
import { openPlain } from './plain-file.js';
import { RootDirectory, splitKey } from './root-directory.js';
import type {
  ByteRange,
  Content,
  ListedObject,
  ListedPage,
  ObjectBody,
  ObjectStat,
  ClaimedPrefix,
  PrefixOwner,
  ReadOptions,
  StoredObject,
  Target,
  UnfinishedUpload,
} from './target.js';
import { isTemporary, temporaryDirectory, TemporaryFiles } from './temporary-files.js';

/** Objects a page of `list`, as S3 has it. */
const pageSize = 1000;

/** Permissions of files, unless said: documents are production's data. */
const DEFAULT_MODE = 0o600;

/** A directory as target. Nothing is touched before `claimPrefix` or `put`. */
export function openFileTarget(
  settings: FileTargetSettings,
  host: NameOwner & Observer & FileUser,
): Target {
  return new DirectoryTarget(settings, host);
}

class DirectoryTarget implements Target {
  readonly layout: Target['layout'];
  readonly #directory: string;
  readonly #root: RootDirectory;
  readonly #temporaries: TemporaryFiles;
  readonly #user: FileUser;
  /** Permissions of files, and of the directories that are made. */
  readonly #modes: { readonly file: number; readonly directory: number };
  /**
   * Where the last page of `list` ended: the next needn't read the directories on the way there again. What others change
   * there meanwhile may be seen late.
   */
  #listed: { after: string; files: AsyncGenerator<ListedObject, void, void> } | undefined;

  constructor(settings: FileTargetSettings, host: NameOwner & Observer & FileUser) {
    this.layout = settings.layout;
    this.#directory = settings.directory;
    this.#user = host;
    const file = settings.mode ?? DEFAULT_MODE;
    // Who may read a file may look into its directory.
    this.#modes = { file, directory: file | ((file & 0o444) >> 2) };
    this.#root = new RootDirectory(settings.directory, this.#modes.directory, host, () =>
      this.#temporaries.ownerOfNew(),
    );
    this.#temporaries = new TemporaryFiles(this.#root, host);
  }

  async claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<ClaimedPrefix> {
    signal.throwIfAborted();
    try {
      await makeRoot(this.#directory, this.#modes.directory);
      const cautions = await checkRoot(this.#root, this.layout, this.#user);
      await this.#temporaries.removeLeftovers();
      const seen = await tryFileSystem(this.#root, this.#temporaries, this.#modes.file, signal);
      const claimed = await claimMarker(this.#markerStore(seen.style, signal), owner);
      return { ...claimed, cautions: [...cautions, ...seen.cautions] };
    } catch (error) {
      this.#temporaries.explain(error);
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
    const { parent, name } = placeOf(key);
    this.#listed = undefined;
    try {
      await this.#root.make(parent);
      reached('upload-begun');
      await this.#withTemporary(content, signal, (temporary) =>
        this.#root.within(parent, async (directory) => {
          await placeFile(temporary, directory.path(name), content, beforeReplacing);
          await directory.sync();
        }),
      );
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
    options?: ReadOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    signal.throwIfAborted();
    const file = await this.#openFile(url, options);
    return file && readChunks(file, range, signal, this.#directory);
  }

  async stat(url: string, signal: AbortSignal): Promise<ObjectStat | undefined> {
    signal.throwIfAborted();
    const { parent, name } = placeOf(this.#keyToRead(url));
    try {
      const found = await this.#root.within(parent, (directory) => lstat(directory.path(name)));
      return found.isFile() ? { bytes: found.size, etag: undefined, sha256: undefined } : undefined;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.#fault(error);
    }
  }

  async list(after: string | undefined, signal: AbortSignal): Promise<ListedPage> {
    signal.throwIfAborted();
    const last = this.#listed;
    this.#listed = undefined;
    const files = last && last.after === after ? last.files : filesBelow(this.#root, after);
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
      const { parent, name } = placeOf(key);
      const remove = this.#root.within(parent, (directory) => unlink(directory.path(name)));
      await remove.catch((error: unknown) => {
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
    // Of the root of a file system it has a slash at its end already.
    const start = `${this.urlOf('').replace(/\/$/, '')}/`;
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
    this.#listed = undefined;
    return this.#temporaries.close();
  }

  /** Undefined where there is no such file. What is no plain file is no object; a pipe would wait for ever. */
  async #openFile(url: string, options: ReadOptions = {}): Promise<FileHandle | undefined> {
    try {
      if (options.anywhere) return await openAnywhere(pathOfUrl(url));
      const { parent, name } = placeOf(this.#keyToRead(url));
      return await this.#root.within(parent, (directory) => openPlain(directory.path(name)));
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.#fault(error);
    }
  }

  /** @throws MigrateError `usage` for what is no file URL, or not under this prefix */
  #keyToRead(url: string): string {
    pathOfUrl(url);
    const key = this.keyOf(url);
    if (key === undefined) throw outsideTarget(url, this.urlOf(''));
    return key;
  }

  /** Writes the content to a temporary file, which is gone afterwards, whatever `use` does. */
  async #withTemporary(
    content: Content,
    signal: AbortSignal,
    use: (path: string) => Promise<unknown>,
  ): Promise<void> {
    const temporary = await this.#temporaries.newPath();
    try {
      await writeNewFile(temporary, content, signal, this.#modes.file);
      signal.throwIfAborted();
      await use(temporary);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  #fault(error: unknown): unknown {
    // Somebody may have removed a directory we know: look again next time.
    if (codeOf(error) === 'ENOENT') {
      this.#root.forget();
      this.#temporaries.forget();
    }
    this.#temporaries.explain(error);
    return fileFault(error, this.#directory);
  }

  #markerStore(style: FileKeyStyle, signal: AbortSignal): MarkerStore {
    const url = this.urlOf(markerKey);
    const write = (text: string, place: (temporary: string, path: string) => Promise<unknown>) =>
      this.#withTemporary(textContent(text), signal, (temporary) =>
        this.#root.within('', async (root) => {
          await place(temporary, root.path(markerKey));
          await root.sync();
        }),
      );
    return {
      server: 'the target directory',
      url,
      style,
      read: () => this.#root.within('', (root) => readMarker(root, url)),
      create: (text) =>
        write(text, async (temporary, path) => {
          // Without links, a rename: whole, too, though who comes last wins, and is found by reading it back.
          if ((await linkFile(temporary, path)) === 'no links here') await rename(temporary, path);
        }),
      replace: (text) => write(text, rename),
      heedsConditions: () => Promise.resolve(true),
    };
  }
}

/** Neither the marker nor what is being written. */
function isListed(key: string): boolean {
  const start = `${temporaryDirectory}/`;
  return key !== markerKey && !(key.startsWith(start) && isTemporary(key.slice(start.length)));
}

/** Keys are made by keys.ts, or listed; but those kept in the tracking tables may have been edited by hand. */
function placeOf(key: string): { parent: string; name: string } {
  const bad = (segment: string) => ['', '.', '..'].includes(segment) || segment.includes('\0');
  if (key.split('/').some(bad)) {
    const message = `${JSON.stringify(key)} is no key of an object`;
    throw new Fault('the target directory', 'request', 'InvalidKey', message);
  }
  return splitKey(key);
}
