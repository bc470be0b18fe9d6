import {
  ASTERISK,
  BACKSLASH,
  CARRIAGE_RETURN,
  CLOSES,
  COLON,
  COMMA,
  DOT,
  ESCAPED,
  FALSE,
  firstControl,
  isBlank,
  isDigit,
  isHex,
  LINE_FEED,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  LOWER_U,
  MINUS,
  NULL,
  OPEN_BRACE,
  OPEN_BRACKET,
  PLUS,
  QUOTE,
  SLASH,
  SPACE,
  TRUE,
  UPPER_E,
  ZERO,
} from './json-bytes.js';

/**
 * Passes over JSON values by their bytes, without building them, and accepts nothing but JSON (RFC 8259): whatever is
 * passed over may be stored as it stands. Nesting costs one byte a level and no call, so its depth has no limit.
 *
 * Two things are allowed in documents (`lenient`) that JSON does not have, since Elasticsearch takes both and gives
 * them back: bytes in a string that are not UTF-8, and, between tokens, comments and a byte order mark. The latter are
 * overwritten with spaces: they are no part of the value, and a comment that ends with its line would make the rest of
 * a document on one line part of it.
 */
export class JsonWalk {
  readonly bytes: Buffer;
  /** Whether a document is passed over. */
  lenient = false;
  /** The brackets that are open. */
  #open = new Uint8Array(64);
  /** The next ones of these, as far as they were looked for. */
  #backslash = -1;
  #control = -1;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /**
   * The position behind the value that starts at `start`.
   *
   * @throws MalformedJson where there is none
   */
  afterValue(start: number): number {
    const { bytes } = this;
    let depth = 0;
    let i = start;
    for (;;) {
      const byte = bytes[i];
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#push(depth, byte);
        depth += 1;
        i = this.afterBlanks(i + 1);
        if (bytes[i] !== byte + CLOSES) {
          if (byte === OPEN_BRACE) i = this.#afterKey(i);
          continue;
        }
        // An empty one: the loop below closes it.
      } else if (byte === QUOTE) i = this.afterString(i);
      else i = this.#afterScalar(i);
      for (;;) {
        if (depth === 0) return i;
        i = this.afterBlanks(i);
        const open = this.#open[depth - 1] ?? 0;
        if (bytes[i] === open + CLOSES) {
          depth -= 1;
          i += 1;
          continue;
        }
        if (bytes[i] !== COMMA) throw this.malformedAt(i);
        i = this.afterBlanks(i + 1);
        if (open === OPEN_BRACE) i = this.#afterKey(i);
        break;
      }
    }
  }

  /**
   * The position behind the string that starts at `start`.
   *
   * @throws MalformedJson where there is none, or it has control characters or escapes that JSON does not know
   */
  afterString(start: number): number {
    const { bytes } = this;
    const { length } = bytes;
    if (bytes[start] !== QUOTE) throw this.malformedAt(start);
    let i = start + 1;
    for (;;) {
      for (const near = Math.min(length, i + SHORT_STRING); i < near; i += 1) {
        const byte = bytes[i] as number;
        if (byte === QUOTE) return i + 1;
        if (byte === BACKSLASH) i = this.#lastOfEscape(i);
        else if (byte < SPACE) throw this.malformedAt(i);
      }
      if (i >= length) throw this.truncated();
      // In long strings what matters is searched for natively, or four bytes at a time.
      const quote = bytes.indexOf(QUOTE, i);
      if (quote < 0) throw this.truncated();
      const escape = this.#backslashFrom(i);
      const end = Math.min(quote, escape);
      const control = this.#controlFrom(i);
      if (control < end) throw this.malformedAt(control);
      if (quote < escape) return quote + 1;
      i = this.#lastOfEscape(escape) + 1;
    }
  }

  /** The position behind the white space at `start`; in a document, also behind what is made white space. */
  afterBlanks(start: number): number {
    const { bytes } = this;
    let i = start;
    // As a rule there is none.
    const first = bytes[start] ?? SPACE;
    if (first > SPACE && first !== SLASH && first < 0x80) return start;
    for (;;) {
      while (isBlank(bytes[i])) i += 1;
      if (!this.lenient) return i;
      const end = this.#afterComment(i);
      if (end === i) return i;
      bytes.fill(SPACE, i, end);
      i = end;
    }
  }

  /**
   * The same, behind a document: there, a comment up to the end of its line has lost that end, or would take the next line
   * break of another document for it, and what stands between with it.
   *
   * @throws UnreadableDocument
   */
  afterBlanksBehindDocument(start: number): number {
    const { bytes } = this;
    let i = start;
    for (;;) {
      while (isBlank(bytes[i])) i += 1;
      if (bytes[i] !== SLASH) return i;
      if (bytes[i + 1] === SLASH) throw new UnreadableDocument(i);
      const end = this.#afterComment(i);
      bytes.fill(SPACE, i, end);
      i = end;
    }
  }

  malformedAt(position: number): MalformedJson {
    if (position >= this.bytes.length) return this.truncated();
    return new MalformedJson(`unexpected byte at ${position} of ${this.bytes.length}`);
  }

  truncated(): MalformedJson {
    return new MalformedJson(`ends after ${this.bytes.length} bytes, in the middle of a value`);
  }

  /** The first backslash at `from` or behind it; the end where there is none. */
  #backslashFrom(from: number): number {
    if (this.#backslash < from) {
      const found = this.bytes.indexOf(BACKSLASH, from);
      this.#backslash = found < 0 ? this.bytes.length : found;
    }
    return this.#backslash;
  }

  /** The same for bytes below 32, line breaks between tokens included. */
  #controlFrom(from: number): number {
    if (this.#control < from) this.#control = firstControl(this.bytes, from);
    return this.#control;
  }

  #push(depth: number, byte: number): void {
    if (depth === this.#open.length) {
      const grown = new Uint8Array(2 * depth);
      grown.set(this.#open);
      this.#open = grown;
    }
    this.#open[depth] = byte;
  }

  /** The position of the value whose name starts at `start`. */
  #afterKey(start: number): number {
    const colon = this.afterBlanks(this.afterString(start));
    if (this.bytes[colon] !== COLON) throw this.malformedAt(colon);
    return this.afterBlanks(colon + 1);
  }

  /** The position of the last byte of the escape sequence that starts at `start`. */
  #lastOfEscape(start: number): number {
    const { bytes } = this;
    const kind = bytes[start + 1];
    if (kind === undefined) throw this.truncated();
    if (kind !== LOWER_U) {
      if (!ESCAPED.includes(kind)) throw this.malformedAt(start + 1);
      return start + 1;
    }
    for (let i = start + 2; i < start + 6; i += 1) if (!isHex(bytes[i])) throw this.malformedAt(i);
    return start + 5;
  }

  #afterScalar(start: number): number {
    const { bytes } = this;
    const first = bytes[start];
    if (first === LOWER_T) return this.#afterWord(start, TRUE);
    if (first === LOWER_F) return this.#afterWord(start, FALSE);
    if (first === LOWER_N) return this.#afterWord(start, NULL);
    let i = first === MINUS ? start + 1 : start;
    if (bytes[i] === ZERO) i += 1;
    else i = this.#afterDigits(i);
    if (bytes[i] === DOT) i = this.#afterDigits(i + 1);
    if (bytes[i] === LOWER_E || bytes[i] === UPPER_E) {
      i += 1;
      if (bytes[i] === PLUS || bytes[i] === MINUS) i += 1;
      i = this.#afterDigits(i);
    }
    return i;
  }

  #afterWord(start: number, word: Buffer): number {
    for (let i = 0; i < word.length; i += 1)
      if (this.bytes[start + i] !== word[i]) throw this.malformedAt(start + i);
    return start + word.length;
  }

  /** The position behind the digits at `start`, of which there must be one. */
  #afterDigits(start: number): number {
    const { bytes } = this;
    let i = start;
    while (isDigit(bytes[i])) i += 1;
    if (i === start) throw this.malformedAt(i);
    return i;
  }

  /** The position behind the comment or byte order mark at `start`; `start` where neither is there. */
  #afterComment(start: number): number {
    const { bytes } = this;
    if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf)
      return start + 3;
    if (bytes[start] !== SLASH) return start;
    if (bytes[start + 1] === ASTERISK) {
      const end = bytes.indexOf('*/', start + 2);
      if (end < 0) throw this.truncated();
      return end + 2;
    }
    if (bytes[start + 1] !== SLASH) throw this.malformedAt(start + 1);
    let i = start + 2;
    while (i < bytes.length && bytes[i] !== LINE_FEED && bytes[i] !== CARRIAGE_RETURN) i += 1;
    return i;
  }
}

/** Says of an answer, as its subject, what is wrong with it. */
export class MalformedJson extends Error {
  override readonly name = 'MalformedJson';
}

/** A document that makes the answer it stands in unreadable. Others may be read without it. */
export class UnreadableDocument extends Error {
  override readonly name = 'UnreadableDocument';

  constructor(position: number) {
    super(`a document has a comment (//) behind its end, at byte ${position} of the answer`);
  }
}

/** Bytes of a string that are looked at one by one, before native searches are worth their calls. */
const SHORT_STRING = 48;
