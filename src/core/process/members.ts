import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Spool } from '../objects/spool.js';

const compress = promisify(gzip);

/** Bytes of a gzip member: small enough to be read alone, large enough to compress (0.46 against 0.77 a document). */
const MEMBER_BYTES = 64 << 10;
/** Members being compressed at once; zlib does it off the main thread. */
const MEMBERS_AT_ONCE = 3;
/** Level 1: 13 µs a document of 0.9 KB where level 6 takes three times as long for a few percent. */
export const GZIP = { level: 1 };
const NEW_LINE = Buffer.from('\n');

/** Where a line lies: which of the offsets, from 0, and which line behind it, from 1. */
export interface LinePlace {
  readonly member: number;
  readonly line: number;
}

/**
 * Writes lines as a series of gzip members, which together are one .gz. A member ends behind the line that fills it. A
 * line longer than a member takes several, so that it need not be held, and shares them with no other line: what lies
 * between two of the offsets unpacks to whole lines.
 */
export class MemberWriter {
  readonly #spool: Spool;
  readonly #offsets: number[] = [];
  /** Members begun with a line so far, and lines begun in the last of them. */
  #members = 0;
  #lines = 0;
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  #beginsWithLine = false;
  #compressing = 0;
  #written = 0;
  /** Ends when all members so far are written, in their order. */
  #writing: Promise<void> = Promise.resolve();

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /**
   * Adds a line, without its line end; one call at a time.
   *
   * @param bytes how many its pieces have together
   */
  async line(
    bytes: number,
    pieces: readonly Uint8Array[] | AsyncIterable<Uint8Array>,
  ): Promise<LinePlace> {
    const isLong = bytes >= MEMBER_BYTES;
    if (isLong && this.#pieceBytes > 0) await this.#endMember();
    if (this.#pieceBytes === 0) {
      this.#beginsWithLine = true;
      this.#members += 1;
      this.#lines = 0;
    }
    this.#lines += 1;
    const place = { member: this.#members - 1, line: this.#lines };
    if (isLong) for await (const piece of pieces) await this.#addLong(piece);
    // Nearly all are in memory: they are added without a turn of the event loop each.
    else if (Symbol.asyncIterator in pieces) for await (const piece of pieces) this.#add(piece);
    else for (const piece of pieces) this.#add(piece);
    this.#add(NEW_LINE);
    if (this.#pieceBytes >= MEMBER_BYTES || isLong) await this.#endMember();
    return place;
  }

  /** Ends the last member. The offsets of the members that begin with a line: at these the whole can be cut. */
  async finish(): Promise<readonly number[]> {
    if (this.#pieceBytes > 0) await this.#endMember();
    await this.#writing;
    return this.#offsets;
  }

  /** Ends when nothing is being written any more; throws nothing. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }

  #add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
  }

  async #addLong(piece: Uint8Array): Promise<void> {
    for (const part of parts(piece)) {
      if (this.#pieceBytes >= MEMBER_BYTES) await this.#endMember();
      this.#add(part);
    }
  }

  async #endMember(): Promise<void> {
    const beginsWithLine = this.#beginsWithLine;
    const compressed = compress(Buffer.concat(this.#pieces, this.#pieceBytes), GZIP);
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#beginsWithLine = false;
    this.#compressing += 1;
    this.#writing = this.#writing.then(async () => {
      const member = await compressed;
      if (beginsWithLine) this.#offsets.push(this.#written);
      this.#written += member.length;
      await this.#spool.write(member);
      this.#compressing -= 1;
    });
    // Awaited later; until then a failure must not count as unhandled.
    this.#writing.catch(() => undefined);
    if (this.#compressing >= MEMBERS_AT_ONCE) await this.#writing;
  }
}

/** A piece in parts of a member's size at most: how a document was staged must not show in the object. */
function* parts(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += MEMBER_BYTES)
    yield piece.subarray(at, at + MEMBER_BYTES);
}
