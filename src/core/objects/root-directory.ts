/**
 * The directory that stands for the prefix, and what lies below it. Links on the way to it are the user's; below it none is
 * followed: anyone who may write there could lead us out of it.
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
import { refuseOpenToAll } from './writable-by-others.js';

export class RootDirectory {
  readonly path: string;
  /** Permissions of directories that are made. */
  readonly #mode: number;
  readonly #user: FileUser;
  readonly #findOwnerOfNew: () => Promise<number | undefined>;
  #ownerOfNew: Promise<number | undefined> | undefined;
  #mappedOwner: number | undefined;
  #realPath: Promise<string> | undefined;
  /** Directories known to exist and to be durable; a promise, since several puts may need a new one at once. */
  readonly #known = new Map<string, Promise<void>>();

  /**
   * @param findOwnerOfNew makes a file below the root and says whose it is then; undefined where that cannot be found out. It is
   *   asked only where a directory is neither this user's nor root's nor that of the root directory's owner.
   */
  constructor(
    path: string,
    mode: number,
    user: FileUser,
    findOwnerOfNew: () => Promise<number | undefined>,
  ) {
    this.path = path;
    this.#mode = mode;
    this.#user = user;
    this.#findOwnerOfNew = findOwnerOfNew;
  }

  /** Whether a group writes here together, as the mode of directories says. */
  get isForGroup(): boolean {
    return (this.#mode & 0o020) !== 0;
  }

  /** Another user's id whose directories were taken for ours, since the file system gives that user what this process makes. */
  get mappedOwner(): number | undefined {
    return this.#mappedOwner;
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
    await this.makeUnchecked(key);
    await this.check(key);
  }

  /**
   * Makes a directory below the root without looking at whose it is.
   * @returns false where it was there
   */
  async makeUnchecked(key: string): Promise<boolean> {
    const { parent, name } = splitKey(key);
    await this.make(parent);
    return this.within(parent, async (directory) => {
      const isNew = await makeDirectory(directory.path(name), this.#mode);
      await directory.sync();
      return isNew;
    });
  }

  /**
   * Refuses a directory in which another user can exchange what we put there: its owner, or every user. Where the mode says that a
   * group writes here together, its members' directories are as good as ours.
   * @returns its mode
   * @throws MigrateError `usage` where every user may write to it, or it is neither this user's, nor root's, nor that of the root
   *   directory's owner, nor of the user whose the file system makes what this process makes; as {@link within}
   */
  async check(key: string): Promise<number> {
    const path = join(this.path, key);
    const found = await this.within(key, (directory) => directory.stat());
    const [mode, owner] = [Number(found.mode), Number(found.uid)];
    refuseOpenToAll(path, mode, 'another directory.');
    const { uid } = this.#user;
    if (uid === undefined || this.isForGroup || owner === uid || owner === 0) return mode;
    const root = await this.within('', (directory) => directory.stat());
    if (owner === Number(root.uid)) return mode;
    if (owner === (await this.#newFilesOwner())) {
      this.#mappedOwner = owner;
      return mode;
    }
    throw usage(
      `${path} belongs to user ${owner}, who could replace what is stored there; es-migrate is run by user ${uid}`,
      chownAdvice(path, uid),
    );
  }

  #newFilesOwner(): Promise<number | undefined> {
    this.#ownerOfNew ??= this.#findOwnerOfNew().catch((error: unknown) => {
      this.#ownerOfNew = undefined;
      throw error;
    });
    return this.#ownerOfNew;
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

/** What to do where a directory is another user's. What is in it may be the delivery, so it is not to be removed. */
export function chownAdvice(path: string, uid: number | undefined): string {
  return `If what is in it is to stay in use, give it to this user (chown -R ${uid ?? 'USER'} ${path}); if not, give target.url another directory.`;
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
