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
  readonly #known: (Known | undefined)[] = new Array<Known | undefined>(KNOWN_STRINGS);

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
    const key = this.recurring();
    this.#expect(COLON);
    this.#blanks();
    return key;
  }

  /** The string here, unescaped. */
  string(): string {
    const start = this.position;
    this.#skipString();
    return this.#text(start);
  }

  /** The same for strings that occur again and again: they are made once. */
  recurring(): string {
    const start = this.position;
    this.#skipString();
    return this.#recurring(start) ?? this.#remember(start, this.#text(start));
  }

  /** The JSON text of a number that occurs again and again: it is made once. */
  recurringNumber(): string {
    const start = this.position;
    this.#skipScalar();
    return (
      this.#recurring(start) ??
      this.#remember(start, this.bytes.toString('latin1', start, this.position))
    );
  }

  /** The value here, parsed; for the small parts of an envelope, never for a source. */
  value(): unknown {
    if (this.bytes[this.position] === QUOTE) return this.string();
    return JSON.parse(this.text());
  }

  /** The JSON text of the value here. */
  text(): string {
    const start = this.position;
    this.skip();
    return this.bytes.toString('utf8', start, this.position);
  }

  /** The bytes of the value here, exactly as they stand: a view, not a copy. */
  raw(): Buffer {
    const start = this.position;
    this.skip();
    return this.bytes.subarray(start, this.position);
  }

  /** Passes over the value here. */
  skip(): void {
    const first = this.bytes[this.position];
    if (first === QUOTE) this.#skipString();
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) this.#skipContainer();
    else this.#skipScalar();
  }

  /** Throws unless nothing but white space is left. */
  end(): void {
    this.#blanks();
    if (this.position !== this.bytes.length) throw this.#malformed();
  }

  /** What was made before of the same bytes as those from `start` to the position. */
  #recurring(start: number): string | undefined {
    const { bytes, position: end } = this;
    const known = this.#known[this.#slot(start)];
    return known && sameBytes(bytes, known.start, known.end, start, end) ? known.text : undefined;
  }

  #remember(start: number, text: string): string {
    this.#known[this.#slot(start)] = { start, end: this.position, text };
    return text;
  }

  #slot(start: number): number {
    const { bytes, position: end } = this;
    return (end - start + 7 * (bytes[end - 2] ?? 0)) % KNOWN_STRINGS;
  }

  /** What stands between the quotes at `start` and right before the position. */
  #text(start: number): string {
    const { bytes, position } = this;
    return hasBackslash(bytes, start, position)
      ? (JSON.parse(bytes.toString('utf8', start, position)) as string)
      : bytes.toString('utf8', start + 1, position - 1);
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

  #skipString(): void {
    if (this.bytes[this.position] !== QUOTE) throw this.#malformed();
    this.position = this.#afterString(this.position);
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
}

/** Slots for strings that recur; two that share one are made anew whenever they alternate. */
const KNOWN_STRINGS = 64;
/** Bytes of a string that are looked at one by one, before the native search is worth its call. */
const SHORT_STRING = 32;

const QUOTE = 0x22;
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

function sameBytes(bytes: Buffer, a: number, endOfA: number, b: number, endOfB: number): boolean {
  if (endOfA - a !== endOfB - b) return false;
  for (let i = a, j = b; i < endOfA; i += 1, j += 1) if (bytes[i] !== bytes[j]) return false;
  return true;
}

/** Whether an odd number of backslashes, none of them before `from`, stands right before `end`. */
function isEscapedAt(bytes: Buffer, from: number, end: number): boolean {
  let i = end;
  while (i > from && bytes[i - 1] === BACKSLASH) i -= 1;
  return (end - i) % 2 === 1;
}

function hasBackslash(bytes: Buffer, from: number, end: number): boolean {
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
 * The value on one line: each CR and LF byte, which in JSON can only stand between tokens, becomes a space
 * (contract, "Objects"). The same buffer where there is none, else a copy.
 */
export function onOneLine(json: Buffer): Buffer {
  if (!json.includes(LINE_FEED) && !json.includes(CARRIAGE_RETURN)) return json;
  const copy = Buffer.from(json);
  for (let i = 0; i < copy.length; i += 1) {
    if (copy[i] === LINE_FEED || copy[i] === CARRIAGE_RETURN) copy[i] = SPACE;
  }
  return copy;
}
