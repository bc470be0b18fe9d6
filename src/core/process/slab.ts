/** Most bytes made at once: a buffer of its own for each document costs more than filling it. */
const MOST_BYTES = 256 << 10;
/** Documents larger than this part of a piece are no part of one: what is left of a piece is lost. */
const PART = 8;

/** Room for documents, cut from larger pieces. A piece is let go with the last document in it. */
export class Slab {
  readonly #pieceBytes: number;
  #piece = Buffer.alloc(0);
  #used = 0;
  #taken = 0;

  /** @param pageBytes of an answer of the page at most: pieces are a fraction of it */
  constructor(pageBytes: number) {
    this.#pieceBytes = Math.min(MOST_BYTES, Math.floor(pageBytes / PART));
  }

  /** Bytes of all pieces made so far. */
  get taken(): number {
    return this.#taken;
  }

  /** A buffer of that many bytes, with anything in it. */
  take(bytes: number): Buffer {
    if (bytes > this.#pieceBytes / PART) return this.#make(bytes);
    if (bytes > this.#piece.length - this.#used) {
      this.#piece = this.#make(this.#pieceBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return this.#piece.subarray(start, this.#used);
  }

  #make(bytes: number): Buffer<ArrayBuffer> {
    this.#taken += bytes;
    return Buffer.allocUnsafeSlow(bytes);
  }
}
