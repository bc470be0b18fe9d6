/**
 * A directory that is held open while files in it are worked on.
 *
 * Node has no `openat`. On Linux a name behind `/proc/self/fd/N/` is looked up in the directory that is open as N, whatever
 * has become of its path meanwhile: exchanging it for a link changes nothing. Without /proc names are looked up by
 * the path; what was checked of it may then have changed.
 */
import { constants, type BigIntStats } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { codeOf } from './file-faults.js';

export class HeldDirectory {
  /** As people know it. */
  readonly shown: string;
  /** Where it lies, without links, as the system told when it was opened. */
  readonly realPath: string;
  readonly #handle: FileHandle;
  /** What its names are looked up behind. */
  readonly #base: string;

  private constructor(shown: string, realPath: string, handle: FileHandle, base: string) {
    this.shown = shown;
    this.realPath = realPath;
    this.#handle = handle;
    this.#base = base;
  }

  /**
   * Opens a directory; it has to be closed.
   * @param follow whether a link in its place is followed; links on the way to it are
   */
  static async open(path: string, follow: boolean): Promise<HeldDirectory> {
    const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
    const handle = await open(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW));
    try {
      const base = `/proc/self/fd/${handle.fd}`;
      const linked = await readlink(base).catch(() => undefined);
      if (linked !== undefined) return new HeldDirectory(path, linked, handle, base);
      return new HeldDirectory(path, await realpath(path), handle, path);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The path of a name in it; of the directory itself, where none is given. */
  path(name?: string): string {
    return name === undefined ? this.#base : `${this.#base}/${name}`;
  }

  stat(): Promise<BigIntStats> {
    return this.#handle.stat({ bigint: true });
  }

  /** Waits until the names in it are on the disk. */
  async sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (error) {
      // Some network file systems cannot sync a directory; the file itself is durable.
      if (!['EINVAL', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error) ?? '')) throw error;
    }
  }

  /** Gives a directory that was just made these permissions, whatever the umask is; its set-group-id bit stays. */
  async setMode(mode: number): Promise<void> {
    await setMode(this.#handle, mode);
  }

  /** Puts its path in the place of what only this process can look up. */
  explain(error: unknown): unknown {
    if (error instanceof Error && this.#base !== this.shown)
      error.message = error.message.replaceAll(`${this.#base}/`, `${this.shown}/`);
    return error;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What file systems without permissions of files answer. */
const NO_MODES = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];

/** Gives a file or directory of ours these permissions, where the file system keeps such. */
export async function setMode(handle: FileHandle, mode: number): Promise<void> {
  const found = (await handle.stat()).mode & 0o7777;
  if ((found & 0o777) === mode) return;
  await handle.chmod((found & 0o7000) | mode).catch((error: unknown) => {
    if (!NO_MODES.includes(codeOf(error) ?? '')) throw error;
  });
}
