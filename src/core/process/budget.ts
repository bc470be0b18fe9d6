interface Waiting {
  readonly amount: number;
  readonly grant: () => void;
}

/**
 * So much as may be taken at once: bytes of documents in memory (invariant 7), or places. Asks are granted in their order, so
 * a large one is not starved by small ones. Nobody asks for more while holding some: that is what keeps it from locking up.
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
    const giveBack = await this.hold(amount);
    try {
      return await work();
    } finally {
      giveBack();
    }
  }

  /** The same until what is returned is called, once. */
  async hold(amount: number): Promise<() => void> {
    const granted = Math.min(amount, this.#total);
    await this.#take(granted);
    return () => {
      this.#taken -= granted;
      this.#grantWaiting();
    };
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
