import type { BatchMessage } from './message.js';
import type { Delivery, Queue } from './queue.js';

/** Where messages come in. */
export interface Inbox {
  /** The next message; undefined where none came. */
  receive(visibilitySeconds: number, signal: AbortSignal): Promise<Delivery | undefined>;
  /** Told of a message that was neither deleted nor sent anew: it has to come once more. */
  keep(delivery: Delivery): void;
  /** Told of a message whose batch was carried. */
  carried(message: BatchMessage): void;
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

  carried(): void {
    // Who waits for messages does so for ever: what was carried stands in the tracking database.
  }
}

/** Messages that somebody has received for us, who deletes all that are not named as kept. */
export class HandedInbox implements Inbox {
  readonly #waiting: Delivery[];
  readonly #kept = new Set<Delivery>();
  readonly #carried: BatchMessage[] = [];

  constructor(deliveries: readonly Delivery[]) {
    this.#waiting = [...deliveries];
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

  receive(): Promise<Delivery | undefined> {
    return Promise.resolve(this.#waiting.shift());
  }

  keep(delivery: Delivery): void {
    this.#kept.add(delivery);
  }

  carried(message: BatchMessage): void {
    this.#carried.push(message);
  }
}
