import { crc32 } from 'node:zlib';
import type { Hit } from '../elasticsearch/hit.js';
import { hasBackslash, textOfString } from '../elasticsearch/json-strings.js';

/** Bytes kept before they are counted in: one call for many documents, and a message may have a million records. */
const BYTES_AT_ONCE = 8 << 10;
const SPACE = 0x20;
const ZERO = 0x30;

/**
 * A number for what a document was made of: the CRC-32 of index, id, `_seq_no` and `_primary_term` of the message and of
 * each of its records, in the document's order, and the names of the lists these are in: with another configuration the same
 * sources make another document. Elasticsearch gives a document another sequence number whenever it is
 * written, also with the same content. So the same revision means the same sources, but for one chance in 4 billion;
 * another one means that something was written, added or removed in between.
 */
export class Revision {
  #crc = 0;
  /** What `#crc` does not have yet. */
  readonly #bytes = Buffer.allocUnsafe(BYTES_AT_ONCE);
  #filled = 0;
  #isKnown = true;

  /** The records that follow are in the list of this name. */
  list(name: string): void {
    // An empty name stands where a document has its index: it is none.
    this.#text('');
    this.#text(name);
  }

  add(hit: Hit): void {
    if (hit.seqNoEnd === 0 || hit.primaryTermEnd === 0) {
      this.#isKnown = false;
      return;
    }
    this.#string(hit.body, hit.indexStart, hit.indexEnd);
    this.#part(hit.body, hit.seqNoStart, hit.seqNoEnd);
    this.#part(hit.body, hit.primaryTermStart, hit.primaryTermEnd);
    this.#string(hit.body, hit.idStart, hit.idEnd);
  }

  /** 0 to 2^32 - 1; undefined where one of the documents came without a sequence number. */
  get value(): number | undefined {
    this.#count();
    return this.#isKnown ? this.#crc : undefined;
  }

  /** Begins anew. */
  clear(): void {
    this.#crc = 0;
    this.#filled = 0;
    this.#isKnown = true;
  }

  /** A string by its JSON text. Any character may stand in it, so its length comes first: no two sequences read alike. */
  #string(json: Buffer, start: number, end: number): void {
    // Another version of the server may escape what this one does not.
    if (hasBackslash(json, start, end)) this.#text(textOfString(json, start, end));
    else this.#counted(json, start + 1, end - 1);
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.#counted(bytes, 0, bytes.length);
  }

  #counted(bytes: Buffer, start: number, end: number): void {
    this.#number(end - start);
    this.#byte(SPACE);
    this.#part(bytes, start, end);
  }

  #part(bytes: Buffer, start: number, end: number): void {
    for (let i = start; i < end; i += 1) this.#byte(bytes[i] ?? 0);
    this.#byte(SPACE);
  }

  /** In decimal digits. */
  #number(value: number): void {
    if (value > 9) this.#number(Math.floor(value / 10));
    this.#byte(ZERO + (value % 10));
  }

  #byte(byte: number): void {
    if (this.#filled === BYTES_AT_ONCE) this.#count();
    this.#bytes[this.#filled++] = byte;
  }

  #count(): void {
    this.#crc = crc32(this.#bytes.subarray(0, this.#filled), this.#crc);
    this.#filled = 0;
  }
}
