/**
 * Walks JSON by its bytes, without building values: what is skipped keeps the bytes it came with. Invariant 6
 * stands on this: `_source` is cut out, never parsed and written again.
 *
 * It finds where values begin and end; it does not validate them. Truncated or misplaced text is an error, never a
 * shorter answer.
 */
export class JsonScanner {
  readonly bytes: Buffer;
  position = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Calls `member` with each key of the object here; `member` must consume the value. */
  object(member: (key: string) => void): void {
    this.#expect(OPEN_BRACE);
    if (this.#closes(CLOSE_BRACE)) return;
    for (;;) {
      this.#blanks();
      const key = this.string();
      this.#expect(COLON);
      this.#blanks();
      member(key);
      if (!this.#continues(CLOSE_BRACE)) return;
    }
  }

  /** Calls `element` for each element of the array here; `element` must consume it. */
  array(element: () => void): void {
    this.#expect(OPEN_BRACKET);
    if (this.#closes(CLOSE_BRACKET)) return;
    for (;;) {
      this.#blanks();
      element();
      if (!this.#continues(CLOSE_BRACKET)) return;
    }
  }

  /** The string here, unescaped. */
  string(): string {
    if (this.bytes[this.position] !== QUOTE) throw this.#malformed();
    return JSON.parse(this.raw().toString('utf8')) as string;
  }

  /** The value here, parsed; for the small parts of an envelope, never for a source. */
  value(): unknown {
    return JSON.parse(this.raw().toString('utf8'));
  }

  /** The bytes of the value here, exactly as they stand: a view, not a copy. */
  raw(): Buffer {
    const start = this.position;
    this.#skip();
    return this.bytes.subarray(start, this.position);
  }

  /** Throws unless nothing but white space is left. */
  end(): void {
    this.#blanks();
    if (this.position !== this.bytes.length) throw this.#malformed();
  }

  #skip(): void {
    const first = this.bytes[this.position];
    if (first === QUOTE) this.position = this.#afterString(this.position);
    else if (first === OPEN_BRACE || first === OPEN_BRACKET) this.#skipContainer();
    else this.#skipScalar();
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
    for (let i = quote + 1; i < length; i += 1) {
      const byte = bytes[i];
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) i += 1;
    }
    throw this.#truncated();
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
