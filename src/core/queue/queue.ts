import type { BatchMessage } from './message.js';

/** A message that was received: ours to answer for until its visibility runs out. */
export interface Delivery {
  readonly messageId: string;
  readonly body: string;
  /** What it is deleted or extended by; another one with each receipt. */
  readonly receipt: string;
  /** How often it was received, this time included. */
  readonly receives: number;
}

/** What a queue says of itself. */
export interface QueueState {
  /** Receipts after which the queue moves a message to its dead-letter queue; undefined where it has none. */
  readonly maxReceives: number | undefined;
  /** The ARN of the dead-letter queue; undefined where it has none. */
  readonly deadLetters: string | undefined;
  /** How long a message stays at most, in seconds. */
  readonly retentionSeconds: number;
  /** Messages that wait, are held back or are being worked on: about, as of a minute ago. */
  readonly messages: number;
}

/**
 * A queue that hands out batches: each message at least once, to one reader at a time while its visibility lasts. Whose a
 * batch is, and whether it is done, stands in the tracking database; a message only says that there may be something to do.
 *
 * All methods retry by the one policy, so what they throw is final: MigrateError `usage` or `unavailable`, or a Fault of
 * class `request`.
 */
export interface Queue {
  state(signal: AbortSignal): Promise<QueueState>;
  /** The URL of the dead-letter queue, which is looked for: where it can't be found, nothing could be buried. */
  findDeadLetters(state: QueueState, signal: AbortSignal): Promise<string | undefined>;
  /** Sends all of them; resolves when the queue has taken each. `delaySeconds`: 0 to 900. */
  send(messages: readonly BatchMessage[], delaySeconds: number, signal: AbortSignal): Promise<void>;
  /** One message, waited for some seconds; undefined where none came. */
  receive(visibilitySeconds: number, signal: AbortSignal): Promise<Delivery | undefined>;
  /** Keeps a message from being received by others for so long from now on: 0 to 43,200 s. */
  extend(delivery: Delivery, visibilitySeconds: number): Promise<void>;
  delete(delivery: Delivery): Promise<void>;
  /**
   * Moves a message that nobody can use to the dead-letter queue, with the reason as its attribute `reason`. Where there is
   * none it is deleted, and false is given.
   */
  bury(delivery: Delivery, reason: string): Promise<boolean>;
  close(): Promise<void>;
}
