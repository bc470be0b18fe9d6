import { crc32 } from 'node:zlib';
import type { Hit } from '../elasticsearch/answer.js';

/**
 * A number for what a document was made of: the CRC-32 of index, id, `_seq_no` and `_primary_term` of the message and of
 * each of its records, in the document's order, and the names of the lists these are in: with another configuration the same
 * sources make another document. Elasticsearch gives a document another sequence number whenever it is
 * written, also with the same content. So the same revision means the same sources, but for one chance in 4 billion;
 * another one means that something was written, added or removed in between.
 */
export class Revision {
  #crc = 0;
  #isKnown = true;

  /** The records that follow are in the list of this name. */
  list(name: string): void {
    this.#crc = crc32(`list ${name.length} ${name}`, this.#crc);
  }

  add({ index, id, seqNo, primaryTerm }: Hit): void {
    if (seqNo === undefined || primaryTerm === undefined) {
      this.#isKnown = false;
      return;
    }
    // The id, in which any character may stand, comes last and with its length: no two sequences read alike.
    this.#crc = crc32(`${index} ${seqNo} ${primaryTerm} ${id.length} ${id}`, this.#crc);
  }

  /** 0 to 2^32 - 1; undefined where one of the documents came without a sequence number. */
  get value(): number | undefined {
    return this.#isKnown ? this.#crc : undefined;
  }
}
