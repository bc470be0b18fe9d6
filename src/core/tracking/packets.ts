import type { Parameter } from './database.js';

/** Room for the statement around the rows. */
const STATEMENT_BYTES = 16 << 10;
/** Longer statements gain nothing, and hold up what else goes through the connection. */
const LONGEST_BYTES = 4 << 20;

/**
 * Cuts what is to go into one list of a statement (`VALUES ?`, `IN (?)`) into parts that the server takes: at most `most`
 * rows, and no more bytes than `max_allowed_packet` allows. A row that is too long by itself is a part of its own.
 *
 * @param packetBytes longest statement the server takes: `Statements.packetBytes`
 * @param inStatement what stands for a row in the statement
 */
export function* inPackets<T>(
  packetBytes: number,
  rows: Iterable<T>,
  most: number,
  inStatement: (row: T) => Parameter,
): Generator<T[]> {
  const allowed = Math.min(packetBytes, LONGEST_BYTES) - STATEMENT_BYTES;
  let part: T[] = [];
  let bytes = 0;
  for (const row of rows) {
    const more = literalBytes(inStatement(row)) + 2;
    if (part.length > 0 && (part.length >= most || bytes + more > allowed)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += more;
  }
  if (part.length > 0) yield part;
}

/** Bytes of a value as the driver writes it into a statement; never less than it takes. */
export function literalBytes(value: Parameter): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + escapes(value) + 2;
  if (Buffer.isBuffer(value)) return 2 * value.length + 3;
  if (Array.isArray(value)) {
    return (value as readonly Parameter[]).reduce<number>(
      (sum, one) => sum + literalBytes(one) + 2,
      2,
    );
  }
  // Numbers and instants.
  return 26;
}

/** Each becomes two characters. */
function escapes(text: string): number {
  // eslint-disable-next-line no-control-regex
  return text.match(/[\0\b\t\n\r\x1a"'\\]/g)?.length ?? 0;
}
