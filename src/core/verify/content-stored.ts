import { createHash } from 'node:crypto';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isFault } from '../fault.js';
import { batchIndexUrl } from '../objects/keys.js';
import type { Target } from '../objects/target.js';
import { MOST_INDEX_BYTES, readBatchIndex, UnreadableIndex } from '../process/batch-index.js';
import { retrying, type RetryPolicy } from '../retry.js';
import { readLines, type StoredLines } from './content-lines.js';
import type { Digest } from './content-source.js';

export interface ReadContext {
  readonly target: Target;
  readonly policy: RetryPolicy;
  readonly signal: AbortSignal;
}

/** Why an object could not be read: it isn't there, or the target will not give it. */
export interface NotRead {
  readonly kind: 'missing' | 'unreadable';
  readonly detail: string;
}

/** A batch's object, read once from its beginning to its end. */
export interface BatchObjectRead extends StoredLines {
  /** Of the object as it is stored. */
  readonly whole: Digest;
  /** Why it can't be unpacked, if it can't. */
  readonly broken: string | undefined;
}

/** The checksum of an object. */
export function readObject(context: ReadContext, url: string): Promise<Digest | NotRead> {
  return reading(context, url, async (chunks) => {
    const digest = new RunningDigest();
    for await (const chunk of chunks) digest.add(chunk);
    return digest.end();
  });
}

/** The checksum of a batch's object and of every document in it; nothing else of it is held. */
export async function readBatchObject(
  context: ReadContext,
  url: string,
): Promise<BatchObjectRead | NotRead> {
  const read = await reading(context, url, async (chunks) => {
    const digest = new RunningDigest();
    const packed = Readable.from(digest.passing(chunks));
    // A broken source destroys what is read from, which then throws.
    const unpacked = pipeline(packed, createGunzip(), () => undefined);
    try {
      const lines = await readLines(unpacked as AsyncIterable<Buffer>);
      return { ...lines, whole: digest.end(), broken: undefined };
    } catch (error) {
      if (!isZlibError(error)) throw error;
      return error.message;
    }
  });
  if (typeof read !== 'string') return read;
  // Unpacking has stopped half-way; the checksum takes all of it.
  const whole = await readObject(context, url);
  const broken = `it cannot be unpacked: ${read}`;
  return 'kind' in whole ? whole : { whole, broken, lines: new Map(), unnamed: 0 };
}

/**
 * The revisions of a batch's documents, `INDEX/ID`, as its index has them. Empty where the index is gone or is not as it was
 * recorded: then nobody can tell.
 */
export async function recordedRevisions(
  context: ReadContext,
  objectUrl: string,
  indexSha256: Buffer | undefined,
): Promise<ReadonlyMap<string, number>> {
  const url = batchIndexUrl(objectUrl);
  if (url === undefined) return new Map();
  const read = await reading(context, url, async (chunks) => {
    const digest = new RunningDigest();
    const pieces: Uint8Array[] = [];
    for await (const chunk of digest.passing(chunks)) {
      if (digest.bytes <= MOST_INDEX_BYTES) pieces.push(chunk);
    }
    return { pieces, sha256: digest.end().sha256 };
  });
  const revisions = new Map<string, number>();
  if ('kind' in read || !indexSha256?.equals(read.sha256)) return revisions;
  try {
    const { documents } = await readBatchIndex(Buffer.concat(read.pieces));
    for (const { index, message_id, revision } of documents) {
      if (revision !== null) revisions.set(`${index}/${message_id}`, revision);
    }
  } catch (error) {
    if (!(error instanceof UnreadableIndex)) throw error;
  }
  return revisions;
}

/** Reads an object; an answer that breaks off is asked for again from its beginning, by the one policy. */
async function reading<T>(
  { target, policy, signal }: ReadContext,
  url: string,
  read: (chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T | NotRead> {
  const attempt = async (): Promise<T | NotRead> => {
    const object = await target.get(url, signal);
    return object ? read(object) : { kind: 'missing', detail: 'there is no such object' };
  };
  try {
    return await retrying(policy, attempt, { signal });
  } catch (error) {
    if (!isFault(error) || error.class !== 'request') throw error;
    return { kind: 'unreadable', detail: error.message };
  }
}

class RunningDigest {
  readonly #hash = createHash('sha256');
  bytes = 0;

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
  }

  /** The same chunks, each added as it passes. */
  async *passing(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of chunks) {
      this.add(chunk);
      yield chunk;
    }
  }

  end(): Digest {
    return { sha256: this.#hash.digest(), bytes: this.bytes };
  }
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
}
