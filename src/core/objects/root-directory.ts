/**
 * The directory that stands for the prefix, and what lies below it. Links on the way to it are the user's; below it none is
 * followed: whoever may write there could lead us out of it.
 *
 * Each directory below the root is opened, and where it really lies is compared with where it has to be. What is done in it
 * is done by way of the open directory (held-directory.ts), so that exchanging it for a link in between changes nothing.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { usage } from '../errors.js';
import { Fault } from '../fault.js';
import { makeDirectory, makeRoot } from './durable-file.js';
import { HeldDirectory } from './held-directory.js';
import type { FileUser } from './owned-name.js';

export class RootDirectory {
  readonly path: string;
  /** Permissions of directories that are made. */
  readonly #mode: number;
  readonly #user: FileUser;
  #realPath: Promise<string> | undefined;
  /** Directories known to exist and to be durable; a promise, since several puts may need a new one at once. */
  readonly #known = new Map<string, Promise<void>>();

  constructor(path: string, mode: number, user: FileUser) {
    this.path = path;
    this.#mode = mode;
    this.#user = user;
  }

  /**
   * Works in a directory below the root.
   * @param key its path from the root, without slashes at its ends; '' for the root
   * @throws MigrateError `usage` where there is a link on the way; Fault `retriable` where it was moved just now; what `use` and
   *   opening it throw, in words that name its path
   */
  async within<T>(key: string, use: (directory: HeldDirectory) => Promise<T>): Promise<T> {
    const directory = await this.open(key);
    try {
      return await use(directory);
    } catch (error) {
      throw directory.explain(error);
    } finally {
      await directory.close();
    }
  }

  /** The same for what takes longer: the directory has to be closed. */
  async open(key: string): Promise<HeldDirectory> {
    this.#realPath ??= realPathOf(this.path).catch((error: unknown) => {
      this.#realPath = undefined;
      throw error;
    });
    const root = await this.#realPath;
    const path = key === '' ? this.path : join(this.path, key);
    const directory = await HeldDirectory.open(path, true).catch(async (error: unknown) => {
      await this.#refuseLinks(key);
      throw error;
    });
    const expected = key === '' ? root : `${root === '/' ? '' : root}/${key}`;
    if (directory.realPath === expected) return directory;
    await directory.close();
    await this.#refuseLinks(key);
    this.forget();
    const message = `${path} was moved while it was looked at`;
    throw new Fault('the target directory', 'retriable', 'DirectoryMoved', message);
  }

  /** Makes a directory below the root, with those on the way and the root itself, and makes its name durable. */
  make(key: string): Promise<void> {
    let known = this.#known.get(key);
    if (!known) {
      known = this.#make(key).catch((error: unknown) => {
        this.#known.delete(key);
        throw error;
      });
      this.#known.set(key, known);
    }
    return known;
  }

  /** Looks at everything again: somebody may have removed a directory we know. */
  forget(): void {
    this.#known.clear();
    this.#realPath = undefined;
  }

  async #make(key: string): Promise<void> {
    if (key === '') {
      await makeRoot(this.path, this.#mode);
      return;
    }
    const { parent, name } = splitKey(key);
    await this.make(parent);
    await this.within(parent, async (directory) => {
      await makeDirectory(directory.path(name), this.#mode);
      await directory.sync();
    });
    await this.#refuseStrangers(key);
  }

  /**
   * Who owns a directory can exchange what we put there. Where the mode says that a group writes here together, its members'
   * directories are as good as ours.
   * @throws MigrateError `usage` where it is neither this user's, nor root's, nor that of the root directory's owner
   */
  async #refuseStrangers(key: string): Promise<void> {
    const { uid } = this.#user;
    if (uid === undefined || (this.#mode & 0o020) !== 0) return;
    const ownerOf = async (one: string) =>
      Number((await this.within(one, (directory) => directory.stat())).uid);
    const owner = await ownerOf(key);
    if (owner === uid || owner === 0 || owner === (await ownerOf(''))) return;
    throw usage(
      `${join(this.path, key)} belongs to user ${owner}, who could replace what is stored there`,
      'Give target.url a directory that only this user may write to, or remove that one.',
    );
  }

  /** @throws MigrateError `usage` naming the first link on the way to a directory */
  async #refuseLinks(key: string): Promise<void> {
    let path = this.path;
    for (const segment of key === '' ? [] : key.split('/')) {
      path = join(path, segment);
      const found = await lstat(path).catch(() => undefined);
      if (!found?.isSymbolicLink()) continue;
      throw usage(
        `${path} is a symbolic link: es-migrate follows none below target.url`,
        'Put a directory there, or give target.url the directory that the link points to.',
      );
    }
  }
}

/** A key as the directory it lies in ('' for the root) and its name there. */
export function splitKey(key: string): { parent: string; name: string } {
  const slash = key.lastIndexOf('/');
  return { parent: key.slice(0, Math.max(0, slash)), name: key.slice(slash + 1) };
}

async function realPathOf(path: string): Promise<string> {
  const root = await HeldDirectory.open(path, true);
  await root.close();
  return root.realPath;
}
