/** So many batches in a row break off with errors nobody foresaw before it counts as nothing of theirs. */
const MOST_BROKEN = 3;
/** So often in a row those break off again that have before it is they that are broken. */
const MOST_AGAIN = 10;

/**
 * Tells whether batches break off, one after the other, with errors nobody foresaw: then it is the program, or its surroundings, and
 * no batch is to pay for it. Outlives a run where runs are short: three batches may never meet in one invocation of a function.
 */
export class Breakage {
  /** Since one was carried; a batch that breaks off again and again counts once. */
  readonly #batches = new Set<number>();
  #again = 0;

  carried(): void {
    this.#batches.clear();
    this.#again = 0;
  }

  broke(batchId: number): void {
    this.#again = this.#batches.has(batchId) ? this.#again + 1 : 0;
    this.#batches.add(batchId);
    // A program that is broken goes on to meet others; where it is always the same ones, it is them.
    if (this.#again > MOST_AGAIN) this.carried();
  }

  /** Those that broke off since one was carried. */
  get batches(): readonly number[] {
    return [...this.#batches];
  }

  get isGeneral(): boolean {
    return this.#batches.size >= MOST_BROKEN;
  }
}
