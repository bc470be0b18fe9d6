/** Bytes made at once: a buffer of its own for each document costs more than filling it. */
const SLAB_BYTES = 256 << 10;

/** Room for documents, cut from larger pieces. A piece is let go with the last document in it. */
export class Slab {
  #piece = Buffer.alloc(0);
  #used = 0;

  /** A buffer of that many bytes, with anything in it. */
  take(bytes: number): Buffer {
    if (bytes > this.#piece.length - this.#used) {
      this.#piece = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytes));
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += bytes;
    return this.#piece.subarray(start, this.#used);
  }
}
