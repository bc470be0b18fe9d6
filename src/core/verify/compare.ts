import { createHash } from 'node:crypto';
import { isFault } from '../fault.js';
import { retrying } from '../retry.js';
import type { WrittenRecord } from '../tracking/verify-batches.js';
import type { VerifyContext } from './context.js';

/** What an object turned out to be, against what was recorded when it was written. */
export type Comparison =
  | { readonly kind: 'same' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'mismatched' | 'unreadable'; readonly detail: string };

/** An object as a listing or the store shows it. */
export interface Shown {
  readonly bytes: number;
  readonly etag: string | undefined;
}

/**
 * Compares an object with its record: by length and by the store's version of it, where both are known and equal. Else it
 * is read, and its SHA-256 decides: a copy of a bucket has other versions of the same bytes, a directory has none at all.
 */
export async function compareObject(
  context: VerifyContext,
  url: string,
  shown: Shown,
  recorded: WrittenRecord,
): Promise<Comparison> {
  if (shown.bytes !== recorded.bytes) {
    const detail = `it has ${shown.bytes} bytes, ${recorded.bytes} were written`;
    return { kind: 'mismatched', detail };
  }
  if (shown.etag !== undefined && shown.etag === recorded.etag) return { kind: 'same' };
  const sha256 = await digestOf(context, url);
  if (!Buffer.isBuffer(sha256)) return sha256;
  if (sha256.equals(recorded.sha256)) {
    if (recorded.etag !== undefined && shown.etag !== undefined) {
      const message = `${url} has another ETag than when it was written, but the same bytes`;
      context.run.report({ type: 'log', level: 'debug', message });
    }
    return { kind: 'same' };
  }
  const detail = `its SHA-256 is ${short(sha256)}, ${short(recorded.sha256)} was written`;
  return { kind: 'mismatched', detail };
}

/** The same by asking the store first; `absent` where there is no such object. */
export async function compareStored(
  context: VerifyContext,
  url: string,
  recorded: WrittenRecord,
): Promise<Comparison> {
  const { on, signal } = context;
  const shown = await retrying(on.policy, () => on.target.stat(url, signal), { signal });
  return shown ? compareObject(context, url, shown, recorded) : { kind: 'absent' };
}

async function digestOf(
  { on, signal }: VerifyContext,
  url: string,
): Promise<Buffer | Exclude<Comparison, { kind: 'same' }>> {
  const read = async () => {
    const body = await on.target.get(url, signal);
    if (!body) return undefined;
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    return hash.digest();
  };
  try {
    return (await retrying(on.policy, read, { signal })) ?? { kind: 'absent' };
  } catch (error) {
    if (isFault(error) && error.class === 'request')
      return { kind: 'unreadable', detail: `it could not be read: ${error.message}` };
    throw error;
  }
}

/** Enough of a checksum to tell it from another by eye. */
function short(sha256: Buffer): string {
  return `${sha256.toString('hex').slice(0, 12)}…`;
}
