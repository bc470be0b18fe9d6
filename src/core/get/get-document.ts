import { createGunzip } from 'node:zlib';
import { pipeline, Readable } from 'node:stream';
import type { Connections } from '../connect.js';
import type { Run } from '../run.js';
import { retrying } from '../retry.js';
import { findMessages } from '../tracking/lookup.js';
import { lineStartingWith } from './lines.js';

export type FoundDocument =
  | { readonly kind: 'found'; readonly bytes: AsyncIterable<Uint8Array>; readonly url: string }
  /** No message of this id (and index) is tracked. */
  | { readonly kind: 'unknown' }
  /** The id occurs in several indices. */
  | { readonly kind: 'ambiguous'; readonly indices: readonly string[] }
  | { readonly kind: 'not-completed'; readonly status: string; readonly code?: string }
  /** The object is not where the row says. */
  | { readonly kind: 'gone'; readonly url: string };

/** One migrated document, byte for byte, from wherever it lies. */
export async function getDocument(
  run: Run,
  { database, target, policy }: Connections,
  { messageId, index }: { messageId: string; index?: string | undefined },
): Promise<FoundDocument> {
  const tracked = (await findMessages(database, messageId)).filter(
    (row) => index === undefined || row.index === index,
  );
  const [message, another] = tracked;
  if (!message) return { kind: 'unknown' };
  if (another) return { kind: 'ambiguous', indices: tracked.map((row) => row.index) };
  const { status, errorCode, url } = message;
  if (status !== 'completed' || url === undefined) {
    return { kind: 'not-completed', status, ...(errorCode !== undefined && { code: errorCode }) };
  }
  const object = await retrying(policy, () => target.get(url, run.stop), { signal: run.stop });
  if (!object) return { kind: 'gone', url };
  if (!url.endsWith('.ndjson.gz')) return { kind: 'found', bytes: object, url };
  const start = `{"message_id":${JSON.stringify(messageId)},"index":${JSON.stringify(message.index)},`;
  // A broken source destroys what is read from, which then throws.
  const unpacked = pipeline(Readable.from(object), createGunzip(), () => undefined);
  const line = await lineStartingWith(unpacked as AsyncIterable<Buffer>, Buffer.from(start));
  return line ? { kind: 'found', bytes: Readable.from([line]), url } : { kind: 'gone', url };
}
