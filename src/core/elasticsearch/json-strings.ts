/** JSON strings by the bytes they stand in, with their quotes: most are only compared or copied, and never made. */
import { BACKSLASH } from './json-bytes.js';

/** Whether the bytes from `start` to `end` are those of the other buffer from `otherStart` to `otherEnd`. */
export function sameBytes(
  bytes: Buffer,
  start: number,
  end: number,
  other: Buffer,
  otherStart: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = start, j = otherStart; i < end; i += 1, j += 1)
    if (bytes[i] !== other[j]) return false;
  return true;
}

/** The string whose JSON text, with its quotes, stands from `start` to `end`. */
export function textOfString(json: Buffer, start: number, end: number): string {
  return hasBackslash(json, start, end)
    ? (JSON.parse(json.toString('utf8', start, end)) as string)
    : json.toString('utf8', start + 1, end - 1);
}

/** The same string's UTF-8 bytes: a view into the text where nothing in it is escaped. */
export function bytesOfString(json: Buffer, start: number, end: number): Buffer {
  return hasBackslash(json, start, end)
    ? Buffer.from(textOfString(json, start, end))
    : json.subarray(start + 1, end - 1);
}

/** By the UTF-8 bytes of the strings whose JSON texts these are, with their quotes. */
export function compareStrings(
  a: Buffer,
  startOfA: number,
  endOfA: number,
  b: Buffer,
  startOfB: number,
  endOfB: number,
): number {
  if (hasBackslash(a, startOfA, endOfA) || hasBackslash(b, startOfB, endOfB))
    return Buffer.compare(
      Buffer.from(textOfString(a, startOfA, endOfA)),
      Buffer.from(textOfString(b, startOfB, endOfB)),
    );
  return a.compare(b, startOfB + 1, endOfB - 1, startOfA + 1, endOfA - 1);
}

export function hasBackslash(bytes: Buffer, from: number, end: number): boolean {
  for (let i = from; i < end; i += 1) if (bytes[i] === BACKSLASH) return true;
  return false;
}
