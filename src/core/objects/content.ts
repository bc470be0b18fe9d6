import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { MigrateError } from '../errors.js';
import { codeOf, oneLine } from './file-faults.js';
import type { Content } from './target.js';

/**
 * The whole content as one buffer; only for what is known to be small.
 * @throws MigrateError `unavailable` where the staging file is gone or no longer what it was
 */
export async function contentAsBuffer(content: Content): Promise<Uint8Array> {
  if (content.kind === 'file') {
    const bytes = await readFile(content.path).catch((error: unknown) => {
      throw unreadable(content.path, error);
    });
    checkStaged(content, createHash('sha256').update(bytes).digest());
    return bytes;
  }
  const [only] = content.chunks;
  return content.chunks.length === 1 && only ? only : Buffer.concat(content.chunks, content.bytes);
}

/**
 * The content piece by piece. Bytes that lay in a staging file are hashed again on the way; where they are no
 * longer those that were staged, the last step throws instead of ending.
 * @throws MigrateError `unavailable` where the staging file is gone or no longer what it was
 */
export async function* contentChunks(content: Content): AsyncGenerator<Uint8Array, void, void> {
  if (content.kind === 'memory') {
    yield* content.chunks;
    return;
  }
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(content.path, { highWaterMark: 1024 * 1024 })) {
      const bytes = chunk as Buffer;
      hash.update(bytes);
      yield bytes;
    }
  } catch (error) {
    throw unreadable(content.path, error);
  }
  checkStaged(content, hash.digest());
}

/** A small text as content. */
export function textContent(text: string): Content {
  return bytesContent(Buffer.from(text, 'utf8'));
}

/** Bytes in memory as content. */
export function bytesContent(bytes: Uint8Array): Content {
  const sha256 = createHash('sha256').update(bytes).digest();
  return { kind: 'memory', chunks: [bytes], bytes: bytes.length, sha256 };
}

function checkStaged(content: Content & { kind: 'file' }, sha256: Buffer): void {
  if (sha256.equals(content.sha256)) return;
  throw lost(`The staging file ${content.path} was changed or damaged`);
}

function unreadable(path: string, error: unknown): unknown {
  if (codeOf(error) === undefined) return error;
  return lost(`The staging file ${path} cannot be read: ${oneLine(error)}`, error);
}

function lost(message: string, cause?: unknown): MigrateError {
  const advice = 'Check the disk that holds the temp directory, then start again.';
  return new MigrateError('unavailable', message, { advice, cause });
}
