/** Messages of the first page, before any size is known: small, since one of them may be huge. */
const FIRST_PAGE = 50;
/** Weight of the last page in the running averages. */
const WEIGHT = 0.3;
/** A page twice as heavy as the average is still read in one go. */
const AIM = 0.5;
/** For the sake of brevity pages become no smaller than that: a search has a price of its own, too. */
const LEAST_BRIEF = 100;

export interface PageLimits {
  /** Messages of the largest page. */
  readonly most: number;
  /**
   * What Elasticsearch is to work on one search at most, in milliseconds, as far as that is to be had by asking for less:
   * whoever else is there waits behind it for that long. Infinity where nobody is to be spared.
   */
  readonly briefMs: number;
}

/**
 * How many messages to ask for at once, by how full the answers were so far: of their bytes or of their hits,
 * whichever is nearer to its limit. A page that turns out too large is asked for in halves, which then say here
 * how full they were: one huge message does not make the pages after it small.
 */
export class PageSize {
  readonly #limits: PageLimits;
  /** Of a whole answer, what one message takes. */
  #fillPerMessage = AIM / FIRST_PAGE;
  #msPerMessage = 0;

  constructor(limits: PageLimits) {
    this.#limits = limits;
  }

  /** Messages of the next page, 1 or more. */
  next(): number {
    const { most, briefMs } = this.#limits;
    const brief = Math.max(LEAST_BRIEF, Math.floor(briefMs / this.#msPerMessage));
    return Math.max(1, Math.min(most, brief, Math.floor(AIM / this.#fillPerMessage)));
  }

  /**
   * A page was read.
   *
   * @param fill how full its fullest answer was, from 0 to 1
   * @param tookMs how long Elasticsearch worked on the longest of its searches
   */
  saw(messages: number, { fill, tookMs }: { fill: number; tookMs: number }): void {
    const now = Math.max(Number.MIN_VALUE, fill / messages);
    this.#fillPerMessage += (now - this.#fillPerMessage) * WEIGHT;
    this.#msPerMessage += (tookMs / messages - this.#msPerMessage) * WEIGHT;
  }
}
