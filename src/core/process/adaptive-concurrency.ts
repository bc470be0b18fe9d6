/** How many are allowed before anything is known. */
const START = 32;
/** How long one measurement takes at least, in milliseconds, and how often as many as are allowed have to end in it. */
const WINDOW_MS = 200;
const WINDOW_ROUNDS = 2;
/** Share of the ends at which more was waiting that makes the number allowed the limit. */
const WAITING_SHARE = 0.25;
/** By which part of what was added the rate has to grow for more to stay allowed: twice as many for a tenth more. */
const WORTHWHILE = 0.1;
/** How much more is tried: at first, and after something has shown where the limit lies. */
const FAST = 2;
const SLOW = 1.25;
/** Measurements in a row that have to say that a trial brings nothing: a pause of ours, or of the server, says so once. */
const MISSES = 2;
/** Measurements without a trial: after one that brought nothing, and after the server asked for less. */
const REST_AFTER_TRIAL = 16;
const REST_AFTER_FALL = 4;

export interface AdaptiveConcurrencyOptions {
  /** Most that may ever be in flight, 1 or more; Infinity for no limit. */
  readonly most: number;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
}

/**
 * How many requests to have in flight at a server whose distance is not known. More are tried while requests wait for others
 * to end, and stay allowed where the rate grew with them; half as many once the server asks for less. It is halved at most
 * once a round trip: only a request that was sent after one fall can cause the next.
 */
export class AdaptiveConcurrency {
  readonly #most: number;
  readonly #now: () => number;
  #allowed: number;
  #falls = 0;
  #factor = FAST;
  /** What was allowed before the trial that is going on, the rate then, and how many measurements have spoken against it. */
  #before: { readonly allowed: number; readonly rate: number; misses: number } | undefined;
  #rest = 0;
  /** Ends that still belong to what was allowed before. */
  #skip = 0;
  #since: number;
  #ended = 0;
  #waiting = 0;

  constructor({ most, now }: AdaptiveConcurrencyOptions) {
    this.#most = most;
    this.#now = now;
    this.#allowed = Math.min(START, most);
    this.#since = now();
  }

  /** Requests that may be in flight now, 1 or more. */
  get allowed(): number {
    return this.#allowed;
  }

  /** How often it fell. Asked when a request is sent, and named when it is refused. */
  get falls(): number {
    return this.#falls;
  }

  /** A request has ended well; `isWaiting`: another one waits for its place. */
  ended(isWaiting: boolean): void {
    if (this.#skip > 0) {
      this.#skip -= 1;
      if (this.#skip === 0) this.#beginWindow();
      return;
    }
    this.#ended += 1;
    if (isWaiting) this.#waiting += 1;
    const tookMs = this.#now() - this.#since;
    if (tookMs < WINDOW_MS || this.#ended < WINDOW_ROUNDS * this.#allowed) return;
    const isLimit = this.#waiting >= WAITING_SHARE * this.#ended;
    const rate = this.#ended / tookMs;
    this.#beginWindow();
    this.#judge(isLimit, rate);
  }

  /**
   * The server asked for less, or did not answer in time.
   *
   * @param falls as it was when the request was sent
   * @returns whether that made it fall
   */
  refused(falls: number): boolean {
    if (falls !== this.#falls) return false;
    this.#falls += 1;
    this.#factor = SLOW;
    this.#before = undefined;
    this.#rest = REST_AFTER_FALL;
    this.#become(Math.max(1, Math.floor(this.#allowed / 2)));
    return true;
  }

  #judge(isLimit: boolean, rate: number): void {
    const before = this.#before;
    const added = before ? this.#allowed / before.allowed - 1 : 0;
    if (before && (!isLimit || rate < before.rate * (1 + added * WORTHWHILE))) {
      before.misses += 1;
      if (before.misses < MISSES) return;
      this.#before = undefined;
      this.#factor = SLOW;
      this.#rest = REST_AFTER_TRIAL;
      this.#become(before.allowed);
      return;
    }
    this.#before = undefined;
    if (!isLimit || this.#allowed >= this.#most) return;
    if (this.#rest > 0) {
      this.#rest -= 1;
      return;
    }
    this.#before = { allowed: this.#allowed, rate, misses: 0 };
    this.#become(Math.min(this.#most, Math.ceil(this.#allowed * this.#factor)));
  }

  #become(allowed: number): void {
    this.#allowed = allowed;
    // Those in flight were sent before, and new connections are opened first.
    this.#skip = allowed;
  }

  #beginWindow(): void {
    this.#since = this.#now();
    this.#ended = 0;
    this.#waiting = 0;
  }
}
