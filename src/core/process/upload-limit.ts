import { isFault, type Fault } from '../fault.js';
import { retrying, type RetryPolicy } from '../retry.js';
import { serverText } from '../server-text.js';
import type { RunEvent } from '../run.js';
import { AdaptiveConcurrency, type AdaptiveConcurrencyOptions } from './adaptive-concurrency.js';
import { EarlyRefusals } from './early-refusals.js';
import { Queue } from './queue.js';

/** How long one warning stands for all like it, in milliseconds: hundreds of uploads meet the same trouble at once. */
const WARN_EVERY_MS = 5_000;

interface Waiting {
  readonly signal: AbortSignal;
  readonly begin: () => void;
  readonly fail: (reason: unknown) => void;
  isGone: boolean;
}

/**
 * Bounds the uploads of one process. How many may be in flight follows from how the target answers, see AdaptiveConcurrency.
 * Uploads begin in the order in which they were asked for; one that is tried again goes before those that have not begun.
 */
export class UploadLimit {
  readonly #concurrency: AdaptiveConcurrency;
  readonly #now: () => number;
  /** Most that may ever be in flight. */
  readonly most: number;
  /** Of all the process's uploads. */
  readonly refusals = new EarlyRefusals();
  readonly #new = new Queue<Waiting>();
  readonly #retries = new Queue<Waiting>();
  readonly #watched = new WeakSet<AbortSignal>();
  /** Begun and not ended, those that wait to be tried again included. */
  #begun = 0;
  #inFlight = 0;
  #warnedAt = Number.NEGATIVE_INFINITY;
  #lastReason: string | undefined;

  constructor(options: AdaptiveConcurrencyOptions) {
    this.#concurrency = new AdaptiveConcurrency(options);
    this.#now = options.now;
    this.most = options.most;
  }

  /** Requests on their way now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Requests that may be on their way now, 1 or more. */
  get allowed(): number {
    return this.#concurrency.allowed;
  }

  /** The fault's code that made fewer allowed the last time; undefined where none has yet. */
  get lastReason(): string | undefined {
    return this.#lastReason;
  }

  /**
   * Runs `put` as soon as its turn has come, retried by the one policy; while it waits to be tried again, no other upload
   * begins in its place.
   *
   * @throws what `retrying` does; the reason of `signal`, also while it waits
   */
  async run<T>(policy: RetryPolicy, put: () => Promise<T>, signal: AbortSignal): Promise<T> {
    await this.#begin(signal);
    try {
      const report = (event: RunEvent) => policy.report(this.#calmed(event));
      const turn = () => this.#turn(signal);
      return await retrying({ ...policy, report }, () => this.#attempt(put), { signal, turn });
    } finally {
      this.#begun -= 1;
      this.#admit();
    }
  }

  async #attempt<T>(put: () => Promise<T>): Promise<T> {
    const { falls } = this.#concurrency;
    try {
      const result = await put();
      this.#concurrency.ended(!this.#new.isEmpty || !this.#retries.isEmpty);
      return result;
    } catch (error) {
      if (isFault(error) && asksForLess(error) && this.#concurrency.refused(falls)) {
        this.#lastReason = serverText(error.code);
      }
      throw error;
    } finally {
      this.#inFlight -= 1;
      this.#admit();
    }
  }

  #begin(signal: AbortSignal): Promise<void> {
    if (this.#new.isEmpty && this.#begun < this.allowed) {
      signal.throwIfAborted();
      this.#begun += 1;
      return Promise.resolve();
    }
    return this.#wait(this.#new, signal);
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#retries.isEmpty && this.#inFlight < this.allowed) {
      this.#inFlight += 1;
      return Promise.resolve();
    }
    return this.#wait(this.#retries, signal);
  }

  #wait(queue: Queue<Waiting>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#watch(signal);
    return new Promise((begin, fail) => queue.add({ signal, begin, fail, isGone: false }));
  }

  #admit(): void {
    while (this.#inFlight < this.allowed) {
      const next = take(this.#retries);
      if (!next) break;
      this.#inFlight += 1;
      next.begin();
    }
    while (this.#begun < this.allowed) {
      const next = take(this.#new);
      if (!next) break;
      this.#begun += 1;
      next.begin();
    }
  }

  /** One listener a batch: there are as many uploads waiting as the batch has messages. */
  #watch(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    const leave = () => {
      for (const queue of [this.#new, this.#retries]) {
        for (const waiting of queue) {
          if (waiting.signal !== signal || waiting.isGone) continue;
          waiting.isGone = true;
          waiting.fail(signal.reason);
        }
      }
      // Takes those that left out of the queues: nobody may wait behind them.
      this.#admit();
    };
    signal.addEventListener('abort', leave, { once: true });
  }

  /** The first warning of a moment as it is; the others are for those who ask for details. */
  #calmed(event: RunEvent): RunEvent {
    if (event.type !== 'log' || event.level !== 'warn') return event;
    const now = this.#now();
    if (now - this.#warnedAt < WARN_EVERY_MS) return { ...event, level: 'debug' };
    this.#warnedAt = now;
    return event;
  }
}

function take(queue: Queue<Waiting>): Waiting | undefined {
  for (;;) {
    const next = queue.take();
    if (!next?.isGone) return next;
  }
}

/** What a server says that has too much to do, and what it does then: it does not answer in time. */
function asksForLess({ code, status }: Fault): boolean {
  return (
    status === 503 ||
    status === 429 ||
    /SlowDown|Throttl|TooManyRequests|Timeout|ETIMEDOUT/.test(code)
  );
}
