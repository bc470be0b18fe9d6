/** The bytes that JSON is made of, and which of them a byte is. */

/** The first byte below 32 at `from` or behind it; the length where there is none. Four bytes are looked at at once. */
export function firstControl(bytes: Buffer, from: number): number {
  const { buffer, byteOffset, length } = bytes;
  // Words begin at multiples of four of the memory that the bytes lie in.
  const skew = byteOffset & 3;
  const words = new Int32Array(buffer, byteOffset - skew, (length + skew) >> 2);
  let i = from;
  for (; i < length && ((i + skew) & 3) !== 0; i += 1) if ((bytes[i] as number) < SPACE) return i;
  let word = (i + skew) >> 2;
  for (; word < words.length; word += 1) {
    const four = words[word] as number;
    // Subtracting 32 from each byte borrows from its highest bit where it is below; bytes above 127 have that bit already.
    if (((four - 0x20202020) & ~four & 0x80808080) !== 0) break;
  }
  for (i = word * 4 - skew; i < length; i += 1) if ((bytes[i] as number) < SPACE) return i;
  return length;
}

export const QUOTE = 0x22;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const OPEN_BRACE = 0x7b;
export const CLOSE_BRACE = 0x7d;
export const OPEN_BRACKET = 0x5b;
export const CLOSE_BRACKET = 0x5d;
export const LINE_FEED = 0x0a;
export const CARRIAGE_RETURN = 0x0d;
export const SPACE = 0x20;
export const TAB = 0x09;
/** From an opening bracket to the one that closes it. */
export const CLOSES = 2;
export const BACKSLASH = 0x5c;
export const SLASH = 0x2f;
export const ASTERISK = 0x2a;
export const ZERO = 0x30;
export const DOT = 0x2e;
export const PLUS = 0x2b;
export const MINUS = 0x2d;
export const UPPER_E = 0x45;
export const LOWER_E = 0x65;
export const LOWER_F = 0x66;
export const LOWER_N = 0x6e;
export const LOWER_T = 0x74;
export const LOWER_U = 0x75;
/** What may follow a backslash, apart from `u`. */
export const ESCAPED = Buffer.from('"\\/bfnrt');
export const TRUE = Buffer.from('true');
export const FALSE = Buffer.from('false');
export const NULL = Buffer.from('null');

export function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

export function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

export function isHex(byte: number | undefined): boolean {
  if (byte === undefined) return false;
  const lower = byte | 0x20;
  return isDigit(byte) || (lower >= 0x61 && lower <= 0x66);
}
