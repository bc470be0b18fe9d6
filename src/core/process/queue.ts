/** Taken entries are let go of in one piece, once there are as many. */
const LEAST_TAKEN = 1024;

/** First in, first out; each in constant time, however many wait (`Array.shift` moves all of a large array). */
export class Queue<T> {
  #entries: (T | undefined)[] = [];
  #first = 0;

  get isEmpty(): boolean {
    return this.#first === this.#entries.length;
  }

  add(entry: T): void {
    this.#entries.push(entry);
  }

  /** The one that was added first; undefined where there is none. */
  take(): T | undefined {
    if (this.isEmpty) return undefined;
    const entry = this.#entries[this.#first];
    this.#entries[this.#first] = undefined;
    this.#first += 1;
    if (this.#first >= LEAST_TAKEN && this.#first * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let at = this.#first; at < this.#entries.length; at += 1) yield this.#entries[at] as T;
  }
}
