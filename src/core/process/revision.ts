import { crc32 } from 'node:zlib';
import type { Hit } from '../elasticsearch/answer.js';

/** Characters kept before they are counted in: a message may have a million records. */
const TEXT_AT_ONCE = 4096;

/**
 * A number for what a document was made of: the CRC-32 of index, id, `_seq_no` and `_primary_term` of the message and of
 * each of its records, in the document's order, and the names of the lists these are in: with another configuration the same
 * sources make another document. Elasticsearch gives a document another sequence number whenever it is
 * written, also with the same content. So the same revision means the same sources, but for one chance in 4 billion;
 * another one means that something was written, added or removed in between.
 */
export class Revision {
  #crc = 0;
  /** What `#crc` does not have yet: one call for many documents. */
  #text = '';
  #isKnown = true;

  /** The records that follow are in the list of this name. */
  list(name: string): void {
    this.#take(`list ${name.length} ${name}`);
  }

  add({ index, id, seqNo, primaryTerm }: Hit): void {
    if (seqNo === undefined || primaryTerm === undefined) {
      this.#isKnown = false;
      return;
    }
    // The id, in which any character may stand, comes last and with its length: no two sequences read alike.
    this.#take(`${index} ${seqNo} ${primaryTerm} ${id.length} ${id}`);
  }

  /** 0 to 2^32 - 1; undefined where one of the documents came without a sequence number. */
  get value(): number | undefined {
    return this.#isKnown ? crc32(this.#text, this.#crc) : undefined;
  }

  #take(text: string): void {
    this.#text += text;
    if (this.#text.length < TEXT_AT_ONCE) return;
    this.#crc = crc32(this.#text, this.#crc);
    this.#text = '';
  }
}
