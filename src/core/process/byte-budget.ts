interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * Bytes of documents that may be in memory at once (invariant 7). Whoever reads documents first takes what their
 * answers may weigh; asks are granted in their order, so a large one is not starved by small ones.
 * Nobody asks for more while holding some: that is what keeps it from locking up.
 */
export class ByteBudget {
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

  /** Runs `work` while it holds `bytes`; an ask for more than there is takes all. */
  async holding<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const granted = Math.min(bytes, this.#total);
    await this.#take(granted);
    try {
      return await work();
    } finally {
      this.#taken -= granted;
      this.#grantWaiting();
    }
  }

  async #take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#taken += bytes;
      return;
    }
    await new Promise<void>((grant) => this.#waiting.push({ bytes, grant }));
  }

  #grantWaiting(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.bytes;
      next.grant();
    }
  }

  #fits(bytes: number): boolean {
    return this.#taken + bytes <= this.#total;
  }
}
