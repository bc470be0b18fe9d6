import type { ClaimedMessage } from '../tracking/claims.js';
import { onOneLine } from '../elasticsearch/scan.js';

const COMMA = Buffer.from(',');
const END_OF_ARRAY = Buffer.from(']');
const END = Buffer.from('}');

/** The document up to and with the message's source (contract, "Objects"). */
export function documentHead({ id, index }: ClaimedMessage, source: Buffer): Buffer[] {
  const names = `{"message_id":${JSON.stringify(id.toString('utf8'))},"index":${JSON.stringify(index)},"message":`;
  return [Buffer.from(names), onOneLine(source)];
}

/** Opens the array of one related index; its records follow, separated by `recordSeparator`. */
export function arrayStart(name: string): Buffer {
  return Buffer.from(`,${JSON.stringify(name)}:[`);
}

export const recordSeparator = COMMA;
export const arrayEnd = END_OF_ARRAY;
export const documentEnd = END;

/** A whole document on one line, from sources as they came: nothing is parsed, nothing written again. */
export function assembleDocument(
  message: ClaimedMessage,
  source: Buffer,
  related: readonly { readonly name: string; readonly sources: readonly Buffer[] }[],
): Buffer {
  const parts = documentHead(message, source);
  for (const { name, sources } of related) {
    parts.push(arrayStart(name));
    sources.forEach((record, i) => {
      if (i > 0) parts.push(recordSeparator);
      parts.push(onOneLine(record));
    });
    parts.push(arrayEnd);
  }
  parts.push(documentEnd);
  return Buffer.concat(parts);
}
