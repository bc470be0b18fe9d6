/**
 * Walks JSON by its bytes, without building values: what is skipped keeps the bytes it came with. Invariant 6
 * stands on this: `_source` is cut out, never parsed and written again.
 *
 * It finds where values begin and end; it does not validate them. Truncated or misplaced text is an error, never a
 * shorter answer. Objects and arrays are walked by
 *
 * ```
 * for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
 *   const key = scanner.key();
 *   scanner.skip(); // or whatever else consumes the value
 * }
 * ```
 */
export class JsonScanner {
  readonly bytes: Buffer;
  position = 0;
  /** Strings that were met before, by a hash of their bytes: names of members come with every hit. */
  readonly #strings: (Known | undefined)[] = new Array<Known | undefined>(KNOWN_STRINGS);
  #lastKey: Known | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Enters the object here; false where it has no members. */
  beginObject(): boolean {
    return this.#begins(OPEN_BRACE, CLOSE_BRACE);
  }

  /** Behind a member's value: whether another member follows. */
  anotherMember(): boolean {
    return this.#continues(CLOSE_BRACE);
  }

  /** Enters the array here; false where it has no elements. */
  beginArray(): boolean {
    return this.#begins(OPEN_BRACKET, CLOSE_BRACKET);
  }

  /** Behind an element: whether another follows. */
  anotherElement(): boolean {
    return this.#continues(CLOSE_BRACKET);
  }

  /** The name of the member here, which its value follows. */
  key(): string {
    this.#blanks();
    const known = this.#expectedKey() ?? this.#known();
    if (this.#lastKey) this.#lastKey.next = known;
    this.#lastKey = known;
    this.#expect(COLON);
    this.#blanks();
    return known.text;
  }

  /** The string here, unescaped. */
  string(): string {
    const start = this.position;
    this.skipString();
    return textOfString(this.bytes, start, this.position);
  }

  /** The same for strings that occur again and again: they are made once. */
  recurring(): string {
    return this.#known().text;
  }

  /** The value here, parsed; for the small parts of an envelope, never for a source. */
  value(): unknown {
    if (this.bytes[this.position] === QUOTE) return this.string();
    const start = this.position;
    this.skip();
    return JSON.parse(this.bytes.toString('utf8', start, this.position));
  }

  /** Passes over the value here. */
  skip(): void {
    const first = this.bytes[this.position];
    if (first === QUOTE) this.skipString();
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) this.#skipContainer();
    else this.#skipScalar();
  }

  /** Passes over the string here; throws where there is none. */
  skipString(): void {
    if (this.bytes[this.position] !== QUOTE) throw this.#malformed();
    this.position = this.#afterString(this.position);
  }

  /** Throws unless nothing but white space is left. */
  end(): void {
    this.#blanks();
    if (this.position !== this.bytes.length) throw this.#malformed();
  }

  /** The key that followed the last one before, where it does again: hits have their members in the same order. */
  #expectedKey(): Known | undefined {
    const next = this.#lastKey?.next;
    if (!next) return undefined;
    const { bytes, position } = this;
    const end = position + next.end - next.start;
    if (!sameBytes(bytes, next.start, next.end, bytes, position, end)) return undefined;
    this.position = end;
    return next;
  }

  /** The string here: what was made before of the same bytes, if it is still there. */
  #known(): Known {
    const { bytes, position: start } = this;
    this.skipString();
    const end = this.position;
    const slot = (end - start + 7 * (bytes[end - 2] ?? 0)) % KNOWN_STRINGS;
    const before = this.#strings[slot];
    if (before && sameBytes(bytes, before.start, before.end, bytes, start, end)) return before;
    const known = { start, end, text: textOfString(bytes, start, end), next: undefined };
    this.#strings[slot] = known;
    return known;
  }

  /** To the bracket that closes the one here. Depth alone tells which: brackets inside strings are jumped over. */
  #skipContainer(): void {
    const { bytes } = this;
    const { length } = bytes;
    let depth = 0;
    for (let i = this.position; i < length;) {
      const byte = bytes[i];
      if (byte === QUOTE) {
        i = this.#afterString(i);
        continue;
      }
      i += 1;
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth -= 1;
        if (depth === 0) {
          this.position = i;
          return;
        }
      }
    }
    throw this.#truncated();
  }

  #skipScalar(): void {
    const { bytes } = this;
    const start = this.position;
    let i = start;
    while (i < bytes.length && !isDelimiter(bytes[i])) i += 1;
    if (i === start) throw i < bytes.length ? this.#malformed() : this.#truncated();
    this.position = i;
  }

  /** The position behind the string that starts at `quote`. */
  #afterString(quote: number): number {
    const { bytes } = this;
    const { length } = bytes;
    const near = Math.min(length, quote + SHORT_STRING);
    let i = quote + 1;
    for (; i < near; i += 1) {
      const byte = bytes[i];
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) i += 1;
    }
    // In long strings the next quote is searched for natively.
    for (;;) {
      const end = bytes.indexOf(QUOTE, i);
      if (end < 0) throw this.#truncated();
      if (!isEscapedAt(bytes, i, end)) return end + 1;
      i = end + 1;
    }
  }

  #begins(open: number, close: number): boolean {
    this.#expect(open);
    if (this.#closes(close)) return false;
    this.#blanks();
    return true;
  }

  #expect(byte: number): void {
    this.#blanks();
    if (this.bytes[this.position] !== byte) throw this.#malformed();
    this.position += 1;
  }

  #closes(byte: number): boolean {
    this.#blanks();
    if (this.bytes[this.position] !== byte) return false;
    this.position += 1;
    return true;
  }

  /** Behind a member or element: true at a comma, false at the end. */
  #continues(close: number): boolean {
    if (this.#closes(close)) return false;
    this.#expect(COMMA);
    this.#blanks();
    return true;
  }

  #blanks(): void {
    while (isBlank(this.bytes[this.position])) this.position += 1;
  }

  #malformed(): MalformedJson {
    if (this.position >= this.bytes.length) return this.#truncated();
    return new MalformedJson(`unexpected byte at ${this.position} of ${this.bytes.length}`);
  }

  #truncated(): MalformedJson {
    return new MalformedJson(`ends after ${this.bytes.length} bytes, in the middle of a value`);
  }
}

export class MalformedJson extends Error {
  override readonly name = 'MalformedJson';
}

/** A string and where it stands, with its quotes. */
interface Known {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The key that last followed this one. */
  next: Known | undefined;
}

/** Slots for strings that recur; two that share one are made anew whenever they alternate. */
const KNOWN_STRINGS = 64;
/** Bytes of a string that are looked at one by one, before the native search is worth its call. */
const SHORT_STRING = 48;

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

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

/** Whether an odd number of backslashes, none of them before `from`, stands right before `end`. */
function isEscapedAt(bytes: Buffer, from: number, end: number): boolean {
  let i = end;
  while (i > from && bytes[i - 1] === BACKSLASH) i -= 1;
  return (end - i) % 2 === 1;
}

export function hasBackslash(bytes: Buffer, from: number, end: number): boolean {
  for (let i = from; i < end; i += 1) if (bytes[i] === BACKSLASH) return true;
  return false;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === 0x09;
}

function isDelimiter(byte: number | undefined): boolean {
  return (
    byte === COMMA ||
    byte === CLOSE_BRACE ||
    byte === CLOSE_BRACKET ||
    byte === COLON ||
    byte === QUOTE ||
    byte === OPEN_BRACE ||
    byte === OPEN_BRACKET ||
    isBlank(byte)
  );
}

/**
 * Puts JSON text on one line, in place: each CR and LF byte, which in JSON can only stand between tokens, becomes a space
 * (contract, "Objects").
 */
export function putOnOneLine(json: Buffer): void {
  for (const byte of [LINE_FEED, CARRIAGE_RETURN]) {
    const first = json.indexOf(byte);
    // Nearly always there is none. Where there is one, there are many: each is not worth a native call.
    for (let i = first; i >= 0 && i < json.length; i += 1) if (json[i] === byte) json[i] = SPACE;
  }
}
