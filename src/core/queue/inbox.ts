import type { Delivery, Queue } from './queue.js';

/** Where messages come in. */
export interface Inbox {
  /** The next message; undefined where none came. */
  receive(visibilitySeconds: number, signal: AbortSignal): Promise<Delivery | undefined>;
  /** Told of a message that was neither deleted nor sent anew: it has to come once more. */
  keep(delivery: Delivery): void;
}

/** Messages that are waited for. */
export class PolledInbox implements Inbox {
  readonly #queue: Queue;

  constructor(queue: Queue) {
    this.#queue = queue;
  }

  receive(visibilitySeconds: number, signal: AbortSignal): Promise<Delivery | undefined> {
    return this.#queue.receive(visibilitySeconds, signal);
  }

  keep(): void {
    // Nobody deletes what we don't.
  }
}

/** Messages that somebody has received for us, who deletes all that are not named as kept. */
export class HandedInbox implements Inbox {
  readonly #waiting: Delivery[];
  readonly #kept = new Set<Delivery>();

  constructor(deliveries: readonly Delivery[]) {
    this.#waiting = [...deliveries];
  }

  /** Those that must not be deleted: they come once more. */
  get kept(): readonly Delivery[] {
    return [...this.#kept];
  }

  /** Those that were not taken. */
  get waiting(): readonly Delivery[] {
    return [...this.#waiting];
  }

  receive(): Promise<Delivery | undefined> {
    return Promise.resolve(this.#waiting.shift());
  }

  keep(delivery: Delivery): void {
    this.#kept.add(delivery);
  }
}
