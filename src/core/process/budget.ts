interface Waiting {
  readonly amount: number;
  readonly grant: () => void;
}

/** What was taken of a budget. */
export interface Reservation {
  /** Gives back what exceeds this amount; more than is held changes nothing. */
  shrink(amount: number): void;
  /** Gives back all that is left; calling it again does nothing. */
  release(): void;
}

/**
 * So much as may be taken at once: bytes of documents in memory (invariant 7), or places. Asks are granted in their order, so
 * a large one is not starved by small ones. Nobody waits for more before it gives back what it holds, but for documents that
 * are being uploaded, and these are given back whatever else waits: that is what keeps it from locking up.
 */
export class Budget {
  readonly #total: number;
  #taken = 0;
  readonly #waiting: Waiting[] = [];

  /** `total` 0: unlimited. */
  constructor(total: number) {
    this.#total = total === 0 ? Number.POSITIVE_INFINITY : total;
  }

  get total(): number {
    return this.#total;
  }

  /** Runs `work` while it holds so much; an ask for more than there is takes all. */
  async holding<T>(amount: number, work: () => Promise<T>): Promise<T> {
    const held = await this.reserve(amount);
    try {
      return await work();
    } finally {
      held.release();
    }
  }

  /** The same until what is returned is called, once. */
  async hold(amount: number): Promise<() => void> {
    const held = await this.reserve(amount);
    return () => held.release();
  }

  /** The same, to be given back in parts. */
  async reserve(amount: number): Promise<Reservation> {
    let held = Math.min(amount, this.#total);
    await this.#take(held);
    const shrink = (to: number) => {
      if (to >= held) return;
      this.#taken -= held - to;
      held = to;
      this.#grantWaiting();
    };
    return { shrink, release: () => shrink(0) };
  }

  async #take(amount: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(amount)) {
      this.#taken += amount;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ amount, grant }));
  }

  #grantWaiting(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.amount); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.amount;
      next.grant();
    }
  }

  #fits(amount: number): boolean {
    return this.#taken + amount <= this.#total;
  }
}
