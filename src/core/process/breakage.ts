/** So many batches in a row break off with errors nobody foresaw before it counts as nothing of theirs. */
const MOST_BROKEN = 3;

/**
 * Tells whether batches break off, one after the other, with errors nobody foresaw: then it is the program, or its surroundings, and
 * no batch is to pay for it. Outlives a run where runs are short: three batches may never meet in one invocation of a function.
 */
export class Breakage {
  /** Since one was carried; a batch that breaks off again and again counts once. */
  readonly #batches = new Set<number>();

  carried(): void {
    this.#batches.clear();
  }

  broke(batchId: number): void {
    this.#batches.add(batchId);
  }

  get isGeneral(): boolean {
    return this.#batches.size >= MOST_BROKEN;
  }
}
