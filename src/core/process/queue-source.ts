import type { Connections, QueueConnection } from '../connect.js';
import { isMigrateError } from '../errors.js';
import { isFault } from '../fault.js';
import { parseBody, type BatchMessage } from '../queue/message.js';
import type { Delivery } from '../queue/queue.js';
import { ownerOf, type Run } from '../run.js';
import { reached } from '../steps.js';
import { claimNamedBatch, type ClaimedBatch } from '../tracking/claims.js';
import { foreignJobs } from '../tracking/jobs.js';
import { failBatch } from '../tracking/poisoned.js';
import type { BatchSource, Settled } from './batch-source.js';
import { RunLimits } from './run-limits.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** A batch that was given back because a server is down comes again after so long, in seconds. */
const UNAVAILABLE_DELAY_S = 60;
/** The same where nobody knows what is wrong with it. */
const BROKEN_DELAY_S = 30;
/** SQS's longest delay, in seconds. */
const LONGEST_DELAY_S = 900;
/**
 * How long a message is kept from others, and renewed as long as its batch is worked on: short, since one that was sent to
 * a process that has just gone is not seen by anybody for so long. One whose batch is still held then is sent anew.
 */
const VISIBILITY_S = 60;
/** A batch is asked for again so long behind the end of its lease. */
const BEHIND_LEASE_S = 5;
/** Where the queue itself sets no limit to receipts. */
const MOST_TRIES = 5;

/**
 * Batches from a queue. A message only says that there may be something to do: whose a batch is, and whether it is done,
 * stands in the tracking database, so one that comes twice does nothing the second time.
 *
 * The queue counts receipts, and takes what is received too often for poison. So a batch that has to come again for no
 * fault of its own (a server is down, somebody else holds it) is sent anew, and the message that was received goes. A
 * batch whose tries all ended without a word, or in an error nobody foresaw, is not tried a last time: its messages
 * are marked as failed, and the message is buried.
 */
export class QueueSource implements BatchSource {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #from: QueueConnection;
  readonly #limits: RunLimits;
  readonly #watch: boolean;
  readonly #whenIdle: () => Promise<void>;
  readonly #visibilitySeconds: number;
  readonly #maxTries: number;
  readonly #received = new Map<ClaimedBatch, Received>();
  readonly #timer: NodeJS.Timeout;
  ended: ProcessOutcome['ended'] = 'nothing-left';

  /** @param whenIdle called, with `watch`, whenever no message came */
  constructor(
    run: Run,
    on: Connections,
    from: QueueConnection,
    options: CarryOptions,
    whenIdle: () => Promise<void>,
  ) {
    const { leaseSeconds } = on.settings;
    this.#run = run;
    this.#on = on;
    this.#from = from;
    this.#limits = new RunLimits(run, options);
    this.#watch = options.watch;
    this.#whenIdle = whenIdle;
    this.#visibilitySeconds = Math.min(VISIBILITY_S, 2 * leaseSeconds);
    this.#maxTries = from.maxReceives ?? MOST_TRIES;
    this.#timer = setInterval(() => void this.#extend(), (this.#visibilitySeconds * 1000) / 3);
  }

  async take(): Promise<ClaimedBatch | undefined> {
    for (;;) {
      const limit = this.#limits.reached();
      if (limit) {
        this.ended = limit;
        return undefined;
      }
      this.#limits.count();
      const delivery = await this.#receive();
      const batch = delivery && (await this.#claim(delivery));
      if (batch) return batch;
      this.#limits.uncount();
      if (delivery || this.#run.stop.aborted) continue;
      if (!this.#watch) return undefined;
      await this.#whenIdle();
    }
  }

  async settle(batch: ClaimedBatch, how: Settled): Promise<void> {
    const received = this.#received.get(batch);
    this.#received.delete(batch);
    if (!received) throw new Error(`batch ${batch.batchId} did not come from the queue`);
    switch (how.kind) {
      case 'carried':
        return this.#tell(received, (queue) => queue.delete(received.delivery));
      case 'stopped':
        return this.#again(received, 0);
      case 'lost':
        return this.#again(received, this.#on.settings.leaseSeconds);
      case 'threw':
        if (!isMigrateError(how.error) && !isFault(how.error))
          return this.#leave(received, how.error);
        await this.#again(received, UNAVAILABLE_DELAY_S);
        throw how.error;
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #receive(): Promise<Delivery | undefined> {
    const { stop } = this.#run;
    try {
      return await this.#from.queue.receive(this.#visibilitySeconds, stop);
    } catch (error) {
      if (stop.aborted) return undefined;
      throw error;
    }
  }

  /** The batch a message is about, claimed. Undefined where there is nothing to do for us; the message is seen to then. */
  async #claim(delivery: Delivery): Promise<ClaimedBatch | undefined> {
    const message = parseBody(delivery.body);
    if ('wrong' in message) return this.#refuse(delivery, message.wrong);
    const { databaseId } = this.#from.outbox;
    if (message.databaseId !== databaseId)
      return this.#refuse(delivery, 'its batch is in another tracking database');
    const tries = message.attempt - 1 + delivery.receives;
    const received = { delivery, message: { ...message, attempt: tries } };
    const claim = await this.#claimNamed(received).catch(async (error: unknown) => {
      if (!isMigrateError(error) && !isFault(error)) return this.#leave(received, error);
      await this.#again(received, UNAVAILABLE_DELAY_S);
      throw error;
    });
    switch (claim?.kind) {
      case undefined:
        return undefined;
      case 'claimed':
        reached('batch-claimed');
        this.#received.set(claim.batch, received);
        return claim.batch;
      case 'held':
        return this.#again(received, claim.secondsLeft + BEHIND_LEASE_S).then(nothing);
      case 'foreign':
        return this.#refuse(delivery, 'its job reads another index than the configured');
      case 'finished':
      case 'missing':
        return this.#tell(received, (queue) => queue.delete(delivery)).then(nothing);
    }
  }

  async #claimNamed({ delivery, message }: Received) {
    const { settings, database } = this.#on;
    const foreign = await foreignJobs(database, settings.source.index);
    if (foreign.includes(message.jobId)) return { kind: 'foreign' } as const;
    if (message.attempt >= this.#maxTries) return this.#poisoned(delivery, message);
    return claimNamedBatch(database, ownerOf(this.#run.host), settings.leaseSeconds, message);
  }

  /** Undefined where it was given up, and seen to. */
  async #poisoned(delivery: Delivery, message: BatchMessage) {
    const { jobId, batchId, attempt } = message;
    const detail = `batch ${batchId} was tried ${attempt - 1} times, and no try came to its end: each broke off with an error that is in the log, or with its process`;
    const failed = await failBatch(this.#on.database, message, { code: 'poisoned', detail });
    if (failed === 'held')
      return { kind: failed, secondsLeft: this.#on.settings.leaseSeconds } as const;
    if (failed === 'finished' || failed === 'missing') return { kind: failed } as const;
    reached('batch-poisoned');
    const said = `${detail}; its ${failed} messages are failed`;
    this.#report('error', said, { jobId, batchId });
    await this.#refuse(delivery, said);
    return undefined;
  }

  /** Sent anew before it is deleted: in between it is there twice, which does no harm. */
  #again(received: Received, delaySeconds: number): Promise<void> {
    const { message, delivery } = received;
    const delay = Math.min(LONGEST_DELAY_S, delaySeconds);
    return this.#tell(received, async (queue) => {
      await queue.send([message], delay, NEVER);
      reached('message-sent-again');
      await queue.delete(delivery);
      await this.#from.outbox.remember(message.batchId);
    });
  }

  /** Nobody foresaw what is wrong: it comes again, and the queue counts. */
  #leave(received: Received, error: unknown): Promise<undefined> {
    const { batchId, jobId } = received.message;
    const why = error instanceof Error ? error.message : String(error);
    this.#report('error', `batch ${batchId} is given back, and tried again: ${why}`, {
      jobId,
      batchId,
    });
    return this.#tell(received, async (queue) => {
      await queue.extend(received.delivery, BROKEN_DELAY_S);
      await this.#from.outbox.remember(batchId);
    }).then(nothing);
  }

  /** Nobody can use it, however often it comes. */
  async #refuse(delivery: Delivery, why: string): Promise<undefined> {
    const buried = await this.#from.queue.bury(delivery, why);
    const where = buried
      ? 'moved to the dead-letter queue'
      : 'deleted (the queue has no dead-letter queue)';
    this.#report('warn', `message ${delivery.messageId} is ${where}: ${why}`);
  }

  /** What can't be told the queue now only makes the message come once more: the batch's rows say what there is to do. */
  async #tell(
    { delivery }: Received,
    what: (queue: QueueConnection['queue']) => Promise<void>,
  ): Promise<void> {
    try {
      await what(this.#from.queue);
    } catch (error) {
      this.#report(
        'warn',
        `message ${delivery.messageId} will come once more: ${(error as Error).message}`,
      );
    }
  }

  /** Keeps messages of batches that are being worked on from being received by others. */
  async #extend(): Promise<void> {
    for (const received of this.#received.values())
      await this.#tell(received, (queue) =>
        queue.extend(received.delivery, this.#visibilitySeconds),
      );
  }

  #report(
    level: 'warn' | 'error',
    message: string,
    fields?: { jobId: number; batchId: number },
  ): void {
    this.#run.report({ type: 'log', level, message, ...(fields && { fields }) });
  }
}

/** A message, and what it says; its `attempt` is the try that this receipt is. */
interface Received {
  readonly delivery: Delivery;
  readonly message: BatchMessage;
}

/** For what is to be finished even where the run is to stop: it is short. */
const NEVER = new AbortController().signal;

const nothing = (): undefined => undefined;
