/**
 * A run that says nothing for so long is stuck, in milliseconds. While it works it says something with each answer, each
 * failed request and each batch, and while it waits for work each time it looks for some.
 */
const STUCK_MS = 10 * 60_000;

/** Whether a run still does anything, for who would start it again otherwise. */
export class Vitals {
  readonly #now: () => number;
  #lastSign: number;

  /** @param now milliseconds of a steady clock */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lastSign = now();
  }

  readonly report = (): void => {
    this.#lastSign = this.#now();
  };

  /** Since the run last said anything, in milliseconds. */
  get silentMs(): number {
    return this.#now() - this.#lastSign;
  }

  alive(): boolean {
    return this.silentMs < STUCK_MS;
  }
}
