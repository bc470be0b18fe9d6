/**
 * The files a directory target writes before they get their names: `PREFIX/.tmp-es-migrate/HOST-PID-START-RANDOM`, in the
 * same file system, so that naming them is one step. Those of processes that died are removed by whoever starts next on
 * that host; those of other hosts cannot be told from what is being written now, and are only listed.
 */
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from './file-faults.js';
import { ownedName, ownerOfName, type NameOwner, type Observer } from './owned-name.js';
import type { UnfinishedUpload } from './target.js';

/** Its name under the prefix. */
export const temporaryDirectory = '.tmp-es-migrate';

const pattern = /^(.+)-[0-9a-f]{16}$/;

export class TemporaryFiles {
  readonly #directory: string;
  readonly #host: NameOwner & Observer;
  #start: Promise<string> | undefined;

  /** `root` is the directory that stands for the prefix. */
  constructor(root: string, host: NameOwner & Observer) {
    this.#directory = join(root, temporaryDirectory);
    this.#host = host;
  }

  /** A path nobody else uses, in a directory that is there; its parent has to be. */
  async newPath(): Promise<string> {
    this.#start ??= this.#prepare().catch((error: unknown) => {
      this.#start = undefined;
      throw error;
    });
    return join(this.#directory, `${await this.#start}-${randomBytes(8).toString('hex')}`);
  }

  /** Has the directory made again by the next `newPath`: somebody may have removed it. */
  forget(): void {
    this.#start = undefined;
  }

  /** Removes those of this host's processes that no longer live, as far as this user may. */
  async removeLeftovers(): Promise<void> {
    for (const { name, owner } of await this.#files()) {
      if (owner === 'dead') await rm(this.#path(name), { force: true }).catch(() => undefined);
    }
  }

  /** Those that no living process of this host is writing. */
  async unfinished(): Promise<UnfinishedUpload[]> {
    const idle = (await this.#files()).filter(({ owner }) => owner !== 'alive');
    return Promise.all(
      idle.map(async ({ name }) => {
        const found = await lstat(this.#path(name)).catch(() => undefined);
        return { key: '', id: name, begunAt: found?.mtimeMs };
      }),
    );
  }

  /** @param id from `unfinished`; other names are left alone */
  async remove(id: string): Promise<void> {
    if (isTemporary(id)) await rm(this.#path(id), { force: true });
  }

  async #files(): Promise<{ name: string; owner: Awaited<ReturnType<typeof ownerOfName>> }[]> {
    const names = await readdir(this.#directory).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    return Promise.all(
      names.filter(isTemporary).map(async (name) => {
        return { name, owner: await ownerOfName(pattern.exec(name)?.[1] ?? '', this.#host) };
      }),
    );
  }

  async #prepare(): Promise<string> {
    await mkdir(this.#directory).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    return ownedName(this.#host);
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

/** Whether a file in the temporary directory is one of ours, by its name. */
export function isTemporary(name: string): boolean {
  const owned = pattern.exec(name)?.[1];
  return owned !== undefined && /^[A-Za-z0-9._-]+-\d+-[0-9a-f]+$/.test(owned);
}
