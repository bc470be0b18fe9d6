import type { Hit } from '../elasticsearch/hit.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { Slab } from './slab.js';

/** Records of one message in one related index, in the contract's order. */
export interface RecordList {
  /** Of the array they become. */
  readonly name: string;
  readonly records: readonly Hit[];
}

/** The document up to the message's source (contract, "Objects"). */
export function documentStart({ id, index }: ClaimedMessage): string {
  return `{"message_id":${JSON.stringify(id.toString('utf8'))},"index":${JSON.stringify(index)},"message":`;
}

/** Opens the array of one related index; its records follow, separated by `recordSeparator`. */
export function arrayStart(name: string): string {
  return `,${JSON.stringify(name)}:[`;
}

export const recordSeparator = Buffer.from(',');
export const arrayEnd = Buffer.from(']');
export const documentEnd = Buffer.from('}');

/** A whole document on one line, from sources as they came: nothing is parsed, nothing written again. */
export function assembleDocument(
  claimed: ClaimedMessage,
  message: Hit,
  related: readonly RecordList[],
  slab: Slab,
): Buffer {
  const start = Buffer.from(documentStart(claimed));
  const arrays = related.map(({ name, records }) => ({
    start: Buffer.from(arrayStart(name)),
    records,
  }));
  let bytes = start.length + message.sourceBytes + documentEnd.length;
  for (const array of arrays)
    bytes += array.start.length + recordBytes(array.records) + arrayEnd.length;
  const document = slab.take(bytes);
  let at = start.copy(document);
  at += message.copySource(document, at);
  for (const array of arrays) {
    at += array.start.copy(document, at);
    for (const [i, record] of array.records.entries()) {
      if (i > 0) at += recordSeparator.copy(document, at);
      at += record.copySource(document, at);
    }
    at += arrayEnd.copy(document, at);
  }
  at += documentEnd.copy(document, at);
  if (at !== bytes) throw new Error(`a document of ${bytes} bytes was given ${at}`);
  return document;
}

/** With what separates them. */
function recordBytes(records: readonly Hit[]): number {
  let bytes = recordSeparator.length * Math.max(0, records.length - 1);
  for (const record of records) bytes += record.sourceBytes;
  return bytes;
}
