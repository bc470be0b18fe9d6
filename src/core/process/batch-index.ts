import { gunzip } from 'node:zlib';
import { promisify } from 'node:util';

/**
 * The index of a batch's object: where each document lies in it. It lies under `_index/` and not beside the object,
 * under the same name and claim, one line for what concerns the whole object, then one for each document:
 *
 * ```
 * {"object":"batch-0000000007-0001.ndjson.gz","bytes":90112,"sha256":"…","members":[0,30213,61877],"documents":[
 * {"message_id":"a","index":"messages","member":0,"line":1,"revision":2774365318},
 * {"message_id":"b","index":"messages","member":0,"line":2,"revision":null}
 * ]}
 * ```
 *
 * `members` holds the offsets at which the object can be cut: between two neighbours (the last reaches to `bytes`) lie whole
 * gzip members with whole lines. A document larger than a member takes several, which count as one here, and shares
 * them with none. `line` counts from 1 within the member.
 */
export interface BatchIndex {
  /** Name of the object, without its path. */
  readonly object: string;
  readonly bytes: number;
  /** Of the object, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly members: readonly number[];
  /** In the order of the object's lines. */
  readonly documents: readonly IndexedDocument[];
}

export interface IndexedDocument {
  readonly message_id: string;
  /** The Elasticsearch index it came from. */
  readonly index: string;
  /** Place in `members`, from 0. */
  readonly member: number;
  /** From 1. */
  readonly line: number;
  /** See Revision; null where there is none. */
  readonly revision: number | null;
}

/** What cannot be an index of ours: damaged, cut off, or something else. */
export class UnreadableIndex extends Error {
  override readonly name = 'UnreadableIndex';
}

/**
 * Most bytes of an index, packed or not. Ten thousand documents with ids of 512 bytes, each of which JSON may write as six,
 * stay below.
 */
export const MOST_INDEX_BYTES = 64 << 20;

/** Documents written at once. */
const DOCUMENTS_PER_CHUNK = 500;

/** The JSON text of an index, in pieces. */
export function* indexText({ documents, ...object }: BatchIndex): Generator<string> {
  yield `${JSON.stringify(object).slice(0, -1)},"documents":[`;
  for (let next = 0; next < documents.length; next += DOCUMENTS_PER_CHUNK) {
    const lines = documents
      .slice(next, next + DOCUMENTS_PER_CHUNK)
      .map((one) => JSON.stringify(one));
    yield `${next === 0 ? '\n' : ',\n'}${lines.join(',\n')}`;
  }
  yield '\n]}\n';
}

/**
 * All of an index as it is stored.
 *
 * @throws UnreadableIndex where it is larger than an index can be
 */
export async function collectIndex(stored: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stored) {
    bytes += chunk.length;
    if (bytes > MOST_INDEX_BYTES) throw new UnreadableIndex('it is larger than an index can be');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/**
 * Reads an index as it is stored.
 *
 * @throws UnreadableIndex
 */
export async function readBatchIndex(packed: Uint8Array): Promise<BatchIndex> {
  let parsed: unknown;
  try {
    const text = await promisify(gunzip)(packed, { maxOutputLength: MOST_INDEX_BYTES });
    parsed = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw new UnreadableIndex((error as Error).message, { cause: error });
  }
  if (!isBatchIndex(parsed)) throw new UnreadableIndex('it is not an index of a batch');
  return parsed;
}

function isBatchIndex(value: unknown): value is BatchIndex {
  const { object, bytes, sha256, members, documents } = (value ?? {}) as Partial<BatchIndex>;
  return (
    typeof object === 'string' &&
    isCount(bytes) &&
    typeof sha256 === 'string' &&
    Array.isArray(members) &&
    members.every(
      (offset, i) => isCount(offset) && offset < bytes && offset > (members[i - 1] ?? -1),
    ) &&
    Array.isArray(documents) &&
    documents.every((one) => isDocument(one, members.length))
  );
}

function isDocument(value: unknown, members: number): value is IndexedDocument {
  const { message_id, index, member, line, revision } = (value ?? {}) as Partial<IndexedDocument>;
  return (
    typeof message_id === 'string' &&
    typeof index === 'string' &&
    isCount(member) &&
    member < members &&
    isCount(line) &&
    (revision === null || isCount(revision))
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
