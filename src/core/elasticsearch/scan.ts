import { isUtf8 } from 'node:buffer';
import {
  CARRIAGE_RETURN,
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  LINE_FEED,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  SPACE,
} from './json-bytes.js';
import { sameBytes, textOfString } from './json-strings.js';
import { JsonWalk, MalformedJson } from './json-walk.js';

/**
 * Walks JSON by its bytes, without building values: what is skipped keeps the bytes it came with. Invariant 6
 * stands on this: `_source` is cut out, never parsed and written again.
 *
 * Text that is not JSON, is truncated or has more behind it is an error, never a shorter answer (json-walk.ts says what
 * documents may hold all the same). Objects and arrays are walked by
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
  /** Of the document that was passed over last. */
  documentStart = 0;
  documentEnd = 0;
  readonly #walk: JsonWalk;
  /** Whether each string outside of documents has to be looked at: hardly ever, since answers are UTF-8. */
  readonly #mayBeBadText: boolean;
  /** Strings that were met before, by a hash of their bytes: names of members come with every hit. */
  readonly #strings: (Known | undefined)[] = new Array<Known | undefined>(KNOWN_STRINGS);
  #lastKey: Known | undefined;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#walk = new JsonWalk(bytes);
    this.#mayBeBadText = !isUtf8(bytes);
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
    const start = this.position;
    this.position = this.#walk.afterValue(start);
    this.#requireText(start);
  }

  /** Passes over the string here; throws where there is none. */
  skipString(): void {
    const start = this.position;
    this.position = this.#walk.afterString(start);
    this.#requireText(start);
  }

  /**
   * Passes over the document here; `documentStart` and `documentEnd` then say where it stands.
   *
   * @throws MalformedJson where it is anything else than an object
   * @throws UnreadableDocument where it cannot be known how much behind it is a comment of its own
   */
  skipDocument(): void {
    const walk = this.#walk;
    walk.lenient = true;
    const start = walk.afterBlanks(this.position);
    if (this.bytes[start] !== OPEN_BRACE) throw walk.malformedAt(start);
    this.documentStart = start;
    this.documentEnd = walk.afterValue(start);
    // Elasticsearch gives a document with what stood behind it, too, when it was sent.
    this.position = walk.afterBlanksBehindDocument(this.documentEnd);
    walk.lenient = false;
  }

  /** Throws unless nothing but white space is left. */
  end(): void {
    this.#blanks();
    if (this.position !== this.bytes.length) throw this.#walk.malformedAt(this.position);
  }

  /** Ids, names and values are compared and stored as text: bytes that are none would become others. */
  #requireText(start: number): void {
    if (this.#mayBeBadText && !isUtf8(this.bytes.subarray(start, this.position)))
      throw new MalformedJson(`has bytes that are not UTF-8 between ${start} and ${this.position}`);
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

  #begins(open: number, close: number): boolean {
    this.#expect(open);
    if (this.#closes(close)) return false;
    this.#blanks();
    return true;
  }

  #expect(byte: number): void {
    this.#blanks();
    if (this.bytes[this.position] !== byte) throw this.#walk.malformedAt(this.position);
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
    this.position = this.#walk.afterBlanks(this.position);
  }
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
