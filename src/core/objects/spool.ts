import { createHash } from 'node:crypto';
import { open, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { stagingError, stagingFileName } from './staging.js';
import type { Content } from './target.js';

export interface SpoolOptions {
  /** Bytes held in memory; what exceeds them moves to a file. 0 stages everything. */
  readonly memoryLimit: number;
  /** Where that file goes: this process's staging directory (staging.ts). */
  readonly directory: string;
}

/** Collects the bytes of one object, in memory while they are few. */
export interface Spool {
  /**
   * Appends a chunk. The spool may keep the chunk itself, so the caller must not write to it again.
   * One call at a time: await it before the next.
   * @throws MigrateError `unavailable` where the staging file cannot be written
   */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends the object; nothing can be written afterwards. The content stays valid until `discard`. */
  finish(): Promise<Content>;
  /** Lets go of memory and file, at any point, as often as one likes. */
  discard(): Promise<void>;
}

export function createSpool(options: SpoolOptions): Spool {
  return new MemoryThenFile(options);
}

class MemoryThenFile implements Spool {
  readonly #memoryLimit: number;
  readonly #path: string;
  readonly #hash = createHash('sha256');
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #file: FileHandle | undefined;
  #staged = false;
  #ended = false;

  constructor({ memoryLimit, directory }: SpoolOptions) {
    this.#memoryLimit = memoryLimit;
    this.#path = join(directory, stagingFileName());
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error('write after the spool has ended');
    if (chunk.length === 0) return;
    this.#hash.update(chunk);
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
    if (this.#staged || this.#bytes > this.#memoryLimit) await this.#stage();
  }

  async finish(): Promise<Content> {
    if (this.#ended) throw new Error('finish after the spool has ended');
    this.#ended = true;
    const sha256 = this.#hash.digest();
    if (!this.#staged) return { kind: 'memory', chunks: this.#chunks, bytes: this.#bytes, sha256 };
    await this.#closeFile();
    return { kind: 'file', path: this.#path, bytes: this.#bytes, sha256 };
  }

  async discard(): Promise<void> {
    this.#ended = true;
    this.#chunks = [];
    if (!this.#staged) return;
    await this.#closeFile();
    await rm(this.#path, { force: true });
  }

  /** Moves what is in memory to the end of the file. */
  async #stage(): Promise<void> {
    try {
      this.#staged = true;
      // Messages are nobody else's to read.
      this.#file ??= await open(this.#path, 'wx', 0o600);
      await writeFile(this.#file, this.#chunks);
      this.#chunks = [];
    } catch (error) {
      await this.discard();
      throw stagingError(error, this.#path);
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
