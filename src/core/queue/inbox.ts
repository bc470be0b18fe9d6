import { NEVER } from '../any-signal.js';
import { isUsage } from '../errors.js';
import type { BatchMessage } from './message.js';
import type { Delivery, Queue } from './queue.js';

/** Where messages come in. */
export interface Inbox {
  /** The next message; undefined where none came. None is asked for after `waitMs`. */
  receive(
    visibilitySeconds: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Delivery | undefined>;
  /** Told of a message that was neither deleted nor sent anew: it has to come once more. */
  keep(delivery: Delivery): void;
  /** Told of a message whose batch was carried. */
  carried(message: BatchMessage): void;
}

/** How long a message is waited for at most, in milliseconds. */
const WAIT_MS = 20_000;

/** Messages that are waited for. */
export class PolledInbox implements Inbox {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  async receive(
    visibilitySeconds: number,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Delivery | undefined> {
    const end = performance.now() + Math.min(waitMs, WAIT_MS);
    const isEnding = () => signal.aborted;
    while (!isEnding() && performance.now() < end) {
      // Never cut off: the queue would not know, and hide the next message from everybody for nothing.
      const delivery = await this.#queue.receive(visibilitySeconds, NEVER);
      if (!delivery) continue;
      if (!isEnding()) return delivery;
      await this.#queue.extend(delivery, 0).catch(() => undefined);
    }
    return undefined;
  }

  keep(): void {
    // Nobody deletes what we don't.
  }

  carried(): void {
    // What was carried stands in the tracking database.
  }
}

/** Messages that somebody has received for us, who deletes all that are not named as kept. */
export class HandedInbox implements Inbox {
  readonly #queue: Queue;
  readonly #waiting: Delivery[];
  readonly #kept = new Set<Delivery>();
  readonly #carried: BatchMessage[] = [];

  constructor(deliveries: readonly Delivery[], queue: Queue) {
    this.#waiting = [...deliveries];
    this.#queue = queue;
  }

  /** Those that must not be deleted: they come once more. */
  get kept(): readonly Delivery[] {
    return [...this.#kept];
  }

  /** What those said whose batches were carried. */
  get done(): readonly BatchMessage[] {
    return [...this.#carried];
  }

  /** Those that were not taken. */
  get waiting(): readonly Delivery[] {
    return [...this.#waiting];
  }

  /** From here on it is kept from others for as long as ours are: what is killed with it must not be hidden for hours. */
  async receive(visibilitySeconds: number): Promise<Delivery | undefined> {
    const delivery = this.#waiting.shift();
    if (!delivery) return undefined;
    try {
      await this.#queue.extend(delivery, visibilitySeconds);
    } catch (error) {
      // Else it only comes later; and what it was about fails, too.
      if (isUsage(error)) {
        this.#waiting.unshift(delivery);
        throw error;
      }
    }
    return delivery;
  }

  keep(delivery: Delivery): void {
    this.#kept.add(delivery);
  }

  carried(message: BatchMessage): void {
    this.#carried.push(message);
  }
}
