import { NEVER } from '../any-signal.js';
import type { QueueConnection } from '../connect.js';
import { isUsage } from '../errors.js';
import type { Inbox } from '../queue/inbox.js';
import type { BatchMessage } from '../queue/message.js';
import type { Delivery } from '../queue/queue.js';
import type { Report } from '../run.js';
import { reached } from '../steps.js';

/** A message, and what it says. */
export interface Received {
  readonly delivery: Delivery;
  readonly message: BatchMessage;
}

/** SQS's longest delay, in seconds. */
const LONGEST_DELAY_S = 900;

/**
 * What a queue is told of the messages it has handed out. What it can't be told only makes a message come once more: the rows of
 * its batch say what there is to do.
 */
export class Replies {
  readonly #to: QueueConnection;
  readonly #inbox: Inbox;
  readonly #report: Report;
  readonly #refused: (error: unknown) => void;

  /** @param refused told of errors that will not pass: a permission that is missing, a queue that is not there */
  constructor(
    to: QueueConnection,
    inbox: Inbox,
    report: Report,
    refused: (error: unknown) => void,
  ) {
    this.#to = to;
    this.#inbox = inbox;
    this.#report = report;
    this.#refused = refused;
  }

  /** There is nothing more to do for it. */
  done({ delivery }: Received): Promise<undefined> {
    return this.#tell(delivery, () => this.#to.queue.delete(delivery));
  }

  /** It is to come again. Sent anew before it is deleted: in between it is there twice, which does no harm. */
  again({ delivery, message }: Received, delaySeconds: number): Promise<undefined> {
    const { queue, outbox } = this.#to;
    return this.#tell(delivery, async () => {
      await queue.send([message], Math.min(LONGEST_DELAY_S, delaySeconds), NEVER);
      reached('message-sent-again');
      await queue.delete(delivery);
      await outbox.remember(message.batchId);
    });
  }

  /** Nobody can use it, however often it comes. Where it can't be moved it stays, and is refused again. */
  async refuse(delivery: Delivery, why: string): Promise<undefined> {
    const buried = await this.#to.queue.bury(delivery, why).catch((error: unknown) => {
      this.#failed(delivery, error);
      return error as Error;
    });
    const where =
      buried instanceof Error
        ? `left, since it can't be moved to the dead-letter queue (${buried.message})`
        : buried
          ? 'moved to the dead-letter queue'
          : 'deleted (the queue has no dead-letter queue)';
    this.#warn(`message ${delivery.messageId} is ${where}: ${why}`);
  }

  /** Keeps those that are in hand from being received by others for so long from now on. */
  async hold(inHand: ReadonlySet<Delivery>, seconds: number): Promise<void> {
    for (const delivery of inHand) {
      await this.#to.queue.extend(delivery, seconds).catch((error: unknown) => {
        if (!inHand.has(delivery)) return;
        if (isUsage(error)) this.#refused(error);
        const why = (error as Error).message;
        this.#warn(`message ${delivery.messageId} is not kept from others: ${why}`);
      });
    }
  }

  async #tell(delivery: Delivery, what: () => Promise<void>): Promise<undefined> {
    try {
      await what();
    } catch (error) {
      this.#failed(delivery, error);
      this.#warn(`message ${delivery.messageId} will come once more: ${(error as Error).message}`);
    }
  }

  #failed(delivery: Delivery, error: unknown): void {
    this.#inbox.keep(delivery);
    if (isUsage(error)) this.#refused(error);
  }

  #warn(message: string): void {
    this.#report({ type: 'log', level: 'warn', message });
  }
}
