/**
 * The files a directory target writes before they get their names: `PREFIX/.tmp-es-migrate/HOST-PID-BOOT-NAMESPACE-START-RANDOM`, in the
 * same file system, so that naming them is one step. Those of processes that died are removed by whoever starts next on
 * that host; those of other hosts cannot be told from what is being written now, and are only listed.
 */
import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { codeOf } from './file-faults.js';
import type { HeldDirectory } from './held-directory.js';
import {
  ownedName,
  ownerOfName,
  type FileUser,
  type NameOwner,
  type Observer,
} from './owned-name.js';
import type { RootDirectory } from './root-directory.js';
import type { UnfinishedUpload } from './target.js';

/** Its name under the prefix. */
export const temporaryDirectory = '.tmp-es-migrate';

const pattern = /^(.+)-[0-9a-f]{16}$/;

export class TemporaryFiles {
  readonly #root: RootDirectory;
  readonly #host: NameOwner & Observer & FileUser;
  #place: Promise<{ directory: HeldDirectory; start: string }> | undefined;
  /** All that were opened. They stay open: files may be under way in one that `forget` was told of. */
  readonly #opened: HeldDirectory[] = [];

  constructor(root: RootDirectory, host: NameOwner & Observer & FileUser) {
    this.#root = root;
    this.#host = host;
  }

  /** A path that no one else uses, in a directory that is there, by way of that directory. Its name has a letter. */
  async newPath(): Promise<string> {
    this.#place ??= this.#prepare().catch((error: unknown) => {
      this.#place = undefined;
      throw error;
    });
    const { directory, start } = await this.#place;
    return directory.path(`${start}-${randomHex()}`);
  }

  /**
   * Which user a file belongs to that this process makes: NFS with root_squash gives root's files to `nobody`, SMB those of all
   * users to one. Only such a file tells, and one that was made just now under a name of its own is nobody else's.
   * @returns undefined where no file can be made, or another file system is mounted in the place of the directory
   */
  async ownerOfNew(): Promise<number | undefined> {
    try {
      const isNew = await this.#root.makeUnchecked(temporaryDirectory);
      const root = await this.#root.within('', (directory) => directory.stat());
      const owner = await this.#root.within(temporaryDirectory, async (directory) => {
        if ((await directory.stat()).dev !== root.dev) return undefined;
        return ownerOfNewFile(directory.path(`${await ownedName(this.#host)}-${randomHex()}`));
      });
      // Nothing is left behind where the target is going to be refused.
      if (isNew && owner === this.#host.uid) await this.#root.within('', removeEmptyTemporary);
      return owner;
    } catch (error) {
      if (['EACCES', 'EPERM'].includes(codeOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** Has the directory made again by the next `newPath`: somebody may have removed it. */
  forget(): void {
    this.#place = undefined;
  }

  /** Puts the directory's path in the place of what only this process can look up. */
  explain(error: unknown): void {
    for (const directory of this.#opened) directory.explain(error);
  }

  /** Removes those of this host's processes that no longer live, as far as this user may. */
  async removeLeftovers(): Promise<void> {
    await this.#look(async (directory, files) => {
      for (const { name, owner } of files)
        if (owner === 'dead') await removePlain(directory.path(name)).catch(() => undefined);
    });
  }

  /** Those that no living process of this host is writing. */
  async unfinished(): Promise<UnfinishedUpload[]> {
    const found = await this.#look((directory, files) =>
      Promise.all(
        files
          .filter(({ owner }) => owner !== 'alive')
          .map(async ({ name }) => {
            const stat = await lstat(directory.path(name)).catch(() => undefined);
            return { key: '', id: name, begunAt: stat?.mtimeMs };
          }),
      ),
    );
    return found ?? [];
  }

  /** @param id from `unfinished`; other names are left alone, and what is no plain file */
  async remove(id: string): Promise<void> {
    if (isTemporary(id)) await this.#look((directory) => removePlain(directory.path(id)));
  }

  async close(): Promise<void> {
    this.#place = undefined;
    await Promise.all(this.#opened.splice(0).map((directory) => directory.close()));
  }

  /** Undefined where there is no such directory. */
  async #look<T>(
    use: (directory: HeldDirectory, files: readonly OwnedFile[]) => Promise<T>,
  ): Promise<T | undefined> {
    try {
      return await this.#root.within(temporaryDirectory, async (directory) => {
        const names = (await readdir(directory.path())).filter(isTemporary);
        const files = names.map(async (name) => ({
          name,
          owner: await ownerOfName(pattern.exec(name)?.[1] ?? '', this.#host),
        }));
        return use(directory, await Promise.all(files));
      });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #prepare(): Promise<{ directory: HeldDirectory; start: string }> {
    await this.#root.make(temporaryDirectory);
    const directory = await this.#root.open(temporaryDirectory);
    this.#opened.push(directory);
    return { directory, start: await ownedName(this.#host) };
  }
}

interface OwnedFile {
  readonly name: string;
  readonly owner: Awaited<ReturnType<typeof ownerOfName>>;
}

async function ownerOfNewFile(path: string): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  try {
    return (await file.stat()).uid;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

async function removeEmptyTemporary(root: HeldDirectory): Promise<void> {
  await rmdir(root.path(temporaryDirectory)).catch(() => undefined);
}

/** Removes a plain file; whatever else has its name stays. */
async function removePlain(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isFile()) await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** 16 digits, one of them a letter. */
function randomHex(): string {
  for (;;) {
    const digits = randomBytes(8).toString('hex');
    if (/[a-f]/.test(digits)) return digits;
  }
}

/** Whether a file in the temporary directory is one of ours, by its name. */
export function isTemporary(name: string): boolean {
  const owned = pattern.exec(name)?.[1];
  return owned !== undefined && /^[A-Za-z0-9._-]+-\d+-[0-9a-f]+$/.test(owned);
}
