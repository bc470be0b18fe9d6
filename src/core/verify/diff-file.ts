import { constants, open, type FileHandle } from 'node:fs/promises';
import { MigrateError, usage } from '../errors.js';
import type { Finding, FindingKind } from './types.js';

/** Characters kept in memory before they are written. */
const BUFFER = 256 << 10;

/** As `rclone check --combined` has them: the source is Elasticsearch and MySQL, the destination is the target. */
const SIGNS: Readonly<Record<FindingKind, string>> = {
  missing: '+',
  arrived: '+',
  orphaned: '-',
  foreign: '-',
  unfinished: '-',
  deleted: '-',
  gone: '-',
  mismatched: '*',
  changed: '*',
  outdated_join: '*',
  inconsistent: '*',
  unreadable: '!',
};

/** A line of the diff file: sign, path, and behind a tab what was found. */
export function lineOf(finding: Finding): string {
  const { kind, count = 1, detail } = finding;
  const many = count === 1 ? '' : ` (${count})`;
  return `${SIGNS[kind]} ${oneLine(pathOf(finding))}\t${kind}${many}: ${oneLine(detail)}\n`;
}

/** The line of what is as it should be. */
export function sameLine(path: string): string {
  return `= ${oneLine(path)}\n`;
}

function pathOf({ key, batchId, jobId }: Finding): string {
  if (key !== undefined) return key;
  if (batchId !== undefined) return `batch ${batchId}`;
  return jobId === undefined ? '?' : `job ${jobId}`;
}

/** Other people's keys may hold anything: line breaks, and what acts on the terminal of who looks at the file. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, encodeURIComponent);
}

/**
 * The file a verification writes a line to for everything it looked at. Its length is part of every checkpoint: what a
 * killed verification wrote behind it is cut off when that is resumed.
 */
export class DiffFile {
  readonly path: string;
  readonly #file: FileHandle;
  #bytes: number;
  #text = '';

  private constructor(path: string, file: FileHandle, bytes: number) {
    this.path = path;
    this.#file = file;
    this.#bytes = bytes;
  }

  /**
   * Begins a file anew.
   * @throws MigrateError `usage` where it cannot be written
   */
  static async create(path: string): Promise<DiffFile> {
    try {
      const file = await openOwn(path, O_CREAT);
      if ((await file.stat()).isFile()) await file.truncate(0);
      return new DiffFile(path, file, 0);
    } catch (error) {
      throw cannotWrite(path, error);
    }
  }

  /** Goes on behind its first `bytes`; undefined where there are fewer, or there is no such file. */
  static async resume(path: string, bytes: number): Promise<DiffFile | undefined> {
    let file: FileHandle;
    try {
      file = await openOwn(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw cannotWrite(path, error);
    }
    const { size } = await file.stat();
    if (size < bytes) {
      await file.close();
      return undefined;
    }
    await file.truncate(bytes);
    return new DiffFile(path, file, bytes);
  }

  write(lines: readonly string[]): void {
    for (const line of lines) this.#text += line;
  }

  /** Writes what is kept in memory, if it is much. */
  async drain(): Promise<void> {
    if (this.#text.length >= BUFFER) await this.flush();
  }

  /**
   * Writes all of it and gives the file's length, in bytes.
   * @throws MigrateError `unavailable` where the disk is full
   */
  async flush(): Promise<number> {
    const text = Buffer.from(this.#text, 'utf8');
    this.#text = '';
    try {
      for (let from = 0; from < text.length;) {
        const { bytesWritten } = await this.#file.write(
          text,
          from,
          text.length - from,
          this.#bytes,
        );
        from += bytesWritten;
        this.#bytes += bytesWritten;
      }
    } catch (error) {
      throw cannotWrite(this.path, error);
    }
    return this.#bytes;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

const { O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a file to be written to, readable to its user alone where it is new. Never through a link, and none that has another name,
 * too: in a directory that others use, it may be theirs, and lead to any file of ours.
 */
async function openOwn(path: string, more = 0): Promise<FileHandle> {
  const file = await open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | more, 0o600);
  try {
    const { nlink } = await file.stat();
    if (nlink > 1)
      throw new Error('it has another name, too, and what is written would stand there');
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function cannotWrite(path: string, error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new MigrateError('unavailable', `the disk is full: ${path} cannot be written`, {
      advice: 'Free space there, then run the same command again: it goes on where it stopped.',
      cause: error,
    });
  }
  return usage(
    `${path} cannot be written: ${message}`,
    'Name a file in a directory that exists and can be written to.',
    error,
  );
}
