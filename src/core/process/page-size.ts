/** Messages of the first page, before any size is known: small, since one of them may be huge. */
const FIRST_PAGE = 50;
/** Weight of the last page in the running average. */
const WEIGHT = 0.3;

/**
 * How many messages to ask for at once, by the bytes of the answers so far: half of what fits, so that a page
 * twice as heavy as the average is still read in one go.
 */
export class PageSize {
  readonly #limit: number;
  readonly #most: number;
  #bytesPerMessage: number;

  /** `limit`: bytes one answer may have; `most`: messages of the largest page. */
  constructor(limit: number, most: number) {
    this.#limit = limit;
    this.#most = most;
    this.#bytesPerMessage = limit / 2 / FIRST_PAGE;
  }

  /** Messages of the next page, 1 or more. */
  next(): number {
    return Math.max(1, Math.min(this.#most, Math.floor(this.#limit / 2 / this.#bytesPerMessage)));
  }

  /** A page was read; `bytes` is its heaviest answer. */
  saw(messages: number, bytes: number): void {
    const now = Math.max(1, bytes / messages);
    this.#bytesPerMessage += (now - this.#bytesPerMessage) * WEIGHT;
  }

  /** A page of this many messages was too large: the next is half of it. */
  tooLarge(messages: number): void {
    this.#bytesPerMessage = Math.max(this.#bytesPerMessage, this.#limit / Math.max(1, messages));
  }
}
