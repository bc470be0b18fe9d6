/** Messages of the first page, before any size is known: small, since one of them may be huge. */
const FIRST_PAGE = 50;
/** Weight of the last page in the running average. */
const WEIGHT = 0.3;
/** A page twice as heavy as the average is still read in one go. */
const AIM = 0.5;

/**
 * How many messages to ask for at once, by how full the answers were so far: of their bytes or of their hits,
 * whichever is nearer to its limit. A page that turns out too large is asked for in halves, which then say here
 * how full they were: one huge message does not make the pages after it small.
 */
export class PageSize {
  readonly #most: number;
  /** Of a whole answer, what one message takes. */
  #fillPerMessage = AIM / FIRST_PAGE;

  /** `most`: messages of the largest page. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Messages of the next page, 1 or more. */
  next(): number {
    return Math.max(1, Math.min(this.#most, Math.floor(AIM / this.#fillPerMessage)));
  }

  /** A page was read; `fill` is how full its fullest answer was, from 0 to 1. */
  saw(messages: number, fill: number): void {
    const now = Math.max(Number.MIN_VALUE, fill / messages);
    this.#fillPerMessage += (now - this.#fillPerMessage) * WEIGHT;
  }
}
