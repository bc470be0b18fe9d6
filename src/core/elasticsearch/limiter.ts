/** Why less is asked of Elasticsearch than the configuration allows. */
export type LimitReason = 'too many requests' | 'too little memory' | 'slow answers';

/** What Elasticsearch is asked for at most while it has asked for less. */
export interface SourceLimit {
  /** The share of what the configuration allows, above 0 and below 1. */
  readonly share: number;
  /** Most requests in flight at once, 1 or more. */
  readonly inFlight: number;
  /** What made it fall the last time. */
  readonly reason: LimitReason;
}

export interface LimiterOptions {
  /** Answers that take longer than this, in milliseconds, are slow; 0: none is. */
  readonly latencyTargetMs: number;
  /** Milliseconds of a steady clock. */
  readonly now: () => number;
  /** Hears of every change; undefined once nothing is limited any more. */
  readonly onChange: (limit: SourceLimit | undefined) => void;
}

/** Slow answers that must come in excess of fast ones before they count: one slow search is no slow server. */
const SLOW_EXCESS = 4;
/** The share grows by this much after each second in which all answers were good. */
const STEP = 1 / 16;
const STEP_MS = 1000;
/** The share falls no further, unless more than one request would be in flight then. */
const LEAST_SHARE = 1 / 16;
/** An episode is over, too, when nothing was asked for that long: `process --watch` without work. */
const QUIET_MS = 60_000;

/**
 * Asks less of a server that says it has too much to do: additive increase, multiplicative decrease. Nothing is
 * limited until the server refuses a request, or its answers turn slow. Then the share of what we may ask is halved: the
 * requests in flight, from the most there ever were, and (the caller sees to it, by `share`) the requests a second. It is
 * halved at most once a round trip, since only a request sent after one fall can cause the next.
 */
export class Limiter {
  readonly #options: LimiterOptions;
  readonly #waiting: (() => void)[] = [];
  #share = 1;
  #reason: LimitReason = 'too many requests';
  #inFlight = 0;
  /** Most in flight so far, before anything was limited: what the share is of. */
  #most = 1;
  #falls = 0;
  #slow = 0;
  /** Since when every answer was good, and none has let the share grow. */
  #goodSince = 0;
  #lastEnd = 0;

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  /** The share of what the configuration allows that may be asked for, above 0; 1: all of it. */
  get share(): number {
    return this.#share;
  }

  get limit(): SourceLimit | undefined {
    if (this.#share === 1) return undefined;
    return { share: this.#share, inFlight: this.#allowed(), reason: this.#reason };
  }

  /**
   * Waits until one more request may be in flight, in the order of asking; resolves at once, without a promise,
   * where it may be now. Every `enter` that has not failed is followed by one `leave`.
   */
  enter(signal: AbortSignal): Promise<void> | undefined {
    if (this.#inFlight >= this.#allowed()) return this.#wait(signal);
    this.#begin();
    return undefined;
  }

  leave(): void {
    this.#inFlight -= 1;
    this.#lastEnd = this.#options.now();
    this.#admit();
  }

  /** How often the share fell so far. Asked when a request is sent, and named when its end is told. */
  get falls(): number {
    return this.#falls;
  }

  /** A request sent after that many falls was answered, and not refused, `afterMs` milliseconds later. */
  answered(falls: number, afterMs: number): void {
    const { latencyTargetMs: target, now } = this.#options;
    if (falls !== this.#falls) return;
    if (target > 0 && afterMs > target) {
      this.#slow += 1;
      this.#goodSince = now();
      if (this.#slow >= SLOW_EXCESS) this.#fall('slow answers');
      return;
    }
    this.#slow = Math.max(0, this.#slow - 1);
    if (this.#share === 1 || now() - this.#goodSince < STEP_MS) return;
    this.#goodSince = now();
    this.#become(Math.min(1, this.#share + STEP));
  }

  /** A request sent after that many falls was refused: the server has too much to do. */
  refused(falls: number, reason: LimitReason): void {
    if (falls === this.#falls) this.#fall(reason);
  }

  /** Lifts a limit that has had nothing to limit for a minute; for whoever shows it. */
  liftIfIdle(): void {
    const idle = this.#inFlight === 0 && this.#options.now() - this.#lastEnd > QUIET_MS;
    if (idle && this.#share < 1) this.#become(1);
  }

  #fall(reason: LimitReason): void {
    this.#falls += 1;
    this.#slow = 0;
    this.#goodSince = this.#options.now();
    const least = Math.min(LEAST_SHARE, 1 / this.#most);
    this.#become(Math.max(least, this.#share / 2), reason);
  }

  #become(share: number, reason = this.#reason): void {
    if (share === this.#share && reason === this.#reason) return;
    this.#share = share;
    this.#reason = reason;
    this.#options.onChange(this.limit);
    this.#admit();
  }

  #allowed(): number {
    return this.#share === 1 ? Infinity : Math.max(1, Math.floor(this.#most * this.#share));
  }

  #begin(): void {
    this.#inFlight += 1;
    if (this.#share === 1 && this.#inFlight > this.#most) this.#most = this.#inFlight;
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#inFlight < this.#allowed()) {
      this.#begin();
      this.#waiting.shift()?.();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(enter), 1);
        reject(signal.reason as Error);
      };
      this.#waiting.push(enter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
