import { basename } from 'node:path/posix';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { batchIndexUrl } from '../objects/keys.js';
import type { ByteRange, Target } from '../objects/target.js';
import { collectIndex, readBatchIndex, UnreadableIndex } from '../process/batch-index.js';
import { DamagedObject } from './damage.js';
import { lineStartingWith } from './lines.js';

const OBJECT = '.ndjson.gz';

/** Whether a URL is that of a batch's object: those of single messages end in `.json`. */
export function isBatchUrl(url: string): boolean {
  return url.endsWith(OBJECT);
}

export interface BatchPlace {
  /** Of the batch's object. */
  readonly url: string;
  /** Of the object, as it was stored. */
  readonly sha256: Uint8Array | undefined;
  readonly messageId: string;
  readonly index: string;
  /** It may be read outside the target. */
  readonly anywhere: boolean;
}

/**
 * The range of a batch's object in which a document lies, by the batch's index.
 *
 * @throws UnreadableIndex where the index is gone, damaged, or not this object's
 */
export async function rangeOf(
  target: Target,
  { url, sha256, messageId, index, anywhere }: BatchPlace,
  signal: AbortSignal,
): Promise<ByteRange> {
  const stored = await target.get(indexUrlOf(url), signal, undefined, { anywhere });
  if (!stored) throw new UnreadableIndex('it is gone');
  const { object, members, documents, ...of } = await readBatchIndex(await collectIndex(stored));
  const isOther = sha256 && of.sha256 !== Buffer.from(sha256).toString('hex');
  if (isOther || object !== basename(url)) throw new UnreadableIndex('it is of another object');
  const document = documents.find((one) => one.message_id === messageId && one.index === index);
  if (!document) throw new UnreadableIndex('it does not name the message');
  const start = members[document.member] ?? 0;
  return { start, bytes: (members[document.member + 1] ?? of.bytes) - start };
}

/**
 * The URL of the index that belongs to a batch's object.
 *
 * @throws UnreadableIndex where the object's name is none that es-migrate gives: it has no index
 */
function indexUrlOf(url: string): string {
  const indexUrl = batchIndexUrl(url);
  if (indexUrl === undefined)
    throw new UnreadableIndex('no index belongs to an object of this name');
  return indexUrl;
}

/**
 * A document out of gzip members. They are read to their end, since that is where their checksums are.
 *
 * @throws DamagedObject where they do not unpack, or the document is not among their lines
 */
export async function* batchLine(
  packed: AsyncIterable<Uint8Array>,
  { messageId, index }: BatchPlace,
): AsyncGenerator<Uint8Array, void, void> {
  const start = `{"message_id":${JSON.stringify(messageId)},"index":${JSON.stringify(index)},`;
  // A broken source destroys what is read from, which then throws.
  const unpacked = pipeline(Readable.from(packed), createGunzip(), () => undefined);
  try {
    const lines = unpacked as AsyncIterable<Buffer>;
    const end = yield* lineStartingWith(lines, Buffer.from(start));
    // Where another member should begin, a zero is taken for padding, and what follows it is not unpacked.
    if (end === 'cut-off') throw new DamagedObject('the document ends in the middle');
    if (end === 'absent') throw new DamagedObject('the document is not where it was stored');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_')) throw new DamagedObject(`it does not unpack: ${message}`);
    throw error;
  }
}
