import { anySignal } from '../any-signal.js';
import type { Connections, QueueConnection } from '../connect.js';
import { isForeseen } from '../fault.js';
import { parseBody, type BatchMessage } from '../queue/message.js';
import type { Inbox } from '../queue/inbox.js';
import type { Delivery } from '../queue/queue.js';
import { leaseOwner, measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import { isAtOdds } from '../tracking/agreement.js';
import { claimNamedBatch, type ClaimedBatch } from '../tracking/claims.js';
import { excuseBatches, spendTry } from '../tracking/tries.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { foreignJobs } from '../tracking/scope.js';
import type { BatchSource, Settled } from './batch-source.js';
import { Breakage } from './breakage.js';
import { Budget } from './budget.js';
import { giveUp, MOST_RECEIVES } from './give-up.js';
import { Replies, type Received } from './replies.js';
import { RunLimits } from './run-limits.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** A batch that was given back because a server is down comes again after so long, in seconds. */
const UNAVAILABLE_DELAY_S = 60;
/** The same where nobody knows what is wrong with it. */
const BROKEN_DELAY_S = 30;
/** The same where it is not the batches: longer, for somebody has to see to it first. */
const GENERAL_DELAY_S = 60;
/** The same where its counters and its rows contradict each other: it waits to be repaired. */
const AT_ODDS_DELAY_S = 900;
/**
 * How long a message is kept from others, and renewed as long as its batch is worked on. Short: one that was handed to a
 * process that has just gone is not seen by anybody for so long. Longer than a poll: or polls of such a process, of which
 * the queue knows nothing yet, could take the same message again and again.
 */
const VISIBILITY_S = 60;
/** A batch is asked for again so long behind the end of its lease. */
const BEHIND_LEASE_S = 5;

/**
 * Batches from a queue. A message only says that there may be something to do: whose a batch is, and whether it is done,
 * stands in the tracking database, so one that comes twice does nothing the second time.
 *
 * The queue counts receipts, and takes what is received too often for poison. So a batch that has to come again for no
 * fault of its own (a server is down, somebody else holds it) is sent anew, and the message that was received goes. A
 * message that is received for the last time is sent anew, too, before anybody looks at its batch.
 *
 * A batch whose tries all ended without a word, or in an unexpected error, is given up: its messages are marked as failed,
 * and the message is buried. Its tries are counted in the tracking database: it may have had several messages. From its
 * second try on it is carried alone, so that it takes nobody with it. Where batch after batch breaks off, none of them is
 * to blame: the run ends, and the last break of each is no try.
 */
export class QueueSource implements BatchSource {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #from: QueueConnection;
  readonly #inbox: Inbox;
  readonly #replies: Replies;
  readonly #limits: RunLimits;
  /** One for each batch in hand; one that is carried alone takes all. */
  readonly #places: Budget;
  readonly #watch: boolean;
  readonly #whenIdle: () => Promise<void>;
  readonly #visibilitySeconds: number;
  readonly #maxReceives: number;
  readonly #received = new Map<ClaimedBatch, Claimed>();
  /** Received, and not seen to yet. */
  readonly #inHand = new Set<Delivery>();
  readonly #breakage: Breakage;
  readonly #givenUp: (messages: number) => void;
  /** Aborted when the run is to stop, or one of us has failed. */
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #extending: Promise<void> | undefined;
  #failure: unknown;

  constructor(
    run: Run,
    on: Connections,
    from: QueueConnection,
    options: CarryOptions,
    { inbox, whenIdle, givenUp, breakage = new Breakage() }: QueueSourceParts,
  ) {
    const { leaseSeconds } = on.settings;
    this.#run = run;
    this.#on = on;
    this.#from = from;
    this.#inbox = inbox;
    this.#replies = new Replies(from, inbox, run.report, (error) => this.#fail(error));
    this.#limits = new RunLimits(run, options);
    this.#places = new Budget(options.concurrency);
    this.#watch = options.watch;
    this.#whenIdle = whenIdle;
    this.#breakage = breakage;
    this.#givenUp = givenUp;
    this.#visibilitySeconds = Math.min(VISIBILITY_S, 2 * leaseSeconds);
    this.#maxReceives = from.maxReceives ?? MOST_RECEIVES;
    this.#signal = anySignal(run.stop, this.#ending.signal);
    const extend = () => {
      this.#extending ??= this.#replies
        .hold(this.#inHand, this.#visibilitySeconds)
        .finally(() => (this.#extending = undefined));
    };
    this.#timer = setInterval(extend, (this.#visibilitySeconds * 1000) / 3);
  }

  get ended(): ProcessOutcome['ended'] {
    return this.#limits.ended;
  }

  async take(): Promise<Accepted> {
    try {
      return await this.#next();
    } catch (error) {
      // The others wait for messages, and would for ever.
      this.#ending.abort(error);
      throw error;
    }
  }

  async settle(batch: ClaimedBatch, how: Settled): Promise<void> {
    const received = this.#received.get(batch);
    this.#received.delete(batch);
    if (!received) throw new Error(`batch ${batch.batchId} did not come from the queue`);
    try {
      await this.#settle(received, batch, how);
    } catch (error) {
      this.#ending.abort(error);
      throw error;
    } finally {
      this.#inHand.delete(received.delivery);
      received.leave();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#extending;
  }

  async #next(): Promise<Accepted> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure as Error;
      if (this.#limits.reached() || this.#isEnding()) return undefined;
      this.#limits.count();
      const delivery = await this.#receive();
      const batch = delivery && (await this.#accept(delivery));
      if (batch) return batch;
      this.#limits.uncount();
      if (delivery || this.#isEnding() || this.#limits.isOutOfTime) continue;
      if (!this.#watch) return undefined;
      measured(this.#run.report, { kind: 'idle' });
      await this.#whenIdle();
    }
  }

  /** What nobody waits for has gone wrong: the run ends, and what is in hand is given back. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#ending.abort(error);
  }

  #isEnding(): boolean {
    return this.#signal.aborted;
  }

  async #settle(received: Claimed, batch: ClaimedBatch, how: Settled): Promise<void> {
    // Known to us even where the tracking database could not be told.
    const excused = excusedFrom(received, batch);
    switch (how.kind) {
      case 'carried':
        this.#breakage.carried();
        this.#inbox.carried(received.message);
        return this.#replies.done(received);
      case 'stopped':
        return this.#replies.again(excused, this.#delayOfStopped());
      case 'lost':
        return this.#replies.again(excused, this.#on.settings.leaseSeconds);
      case 'threw':
        if (isForeseen(how.error)) await this.#replies.again(excused, UNAVAILABLE_DELAY_S);
        else await this.#brokeOff(received, how.error);
        if (isForeseen(how.error) || this.#breakage.isGeneral) throw how.error;
    }
  }

  /** Others may go on at once, unless it is a server that stops us. */
  #delayOfStopped(): number {
    return this.#ending.signal.aborted ? UNAVAILABLE_DELAY_S : 0;
  }

  async #receive(): Promise<Delivery | undefined> {
    try {
      const { leftMs } = this.#limits;
      return await this.#inbox.receive(this.#visibilitySeconds, leftMs, this.#signal);
    } catch (error) {
      if (this.#signal.aborted) return undefined;
      throw error;
    }
  }

  /** Kept from others from here on, however long it takes to claim its batch, until it is seen to. */
  async #accept(delivery: Delivery): Promise<Accepted> {
    this.#inHand.add(delivery);
    let batch: ClaimedBatch | undefined;
    try {
      batch = await this.#claim(delivery);
      return batch;
    } finally {
      if (!batch) this.#inHand.delete(delivery);
    }
  }

  /** The batch a message is about, claimed. Undefined where there is nothing to do for us; the message is seen to then. */
  async #claim(delivery: Delivery): Promise<Accepted> {
    const message = parseBody(delivery.body);
    if ('wrong' in message) return this.#replies.refuse(delivery, message.wrong);
    const { databaseId } = this.#from.outbox;
    if (message.databaseId !== databaseId)
      return this.#replies.refuse(delivery, 'its batch is in another tracking database');
    const received = { delivery, message };
    // Where its process died of it, the queue would give it up, and nobody would know of what.
    if (delivery.receives >= this.#maxReceives) return this.#replies.again(received, 0);
    try {
      return await this.#claimNamed(received);
    } catch (error) {
      if (isAtOdds(error)) {
        this.#error(`${error.message}. ${error.advice ?? ''}`, message);
        return this.#replies.again(received, AT_ODDS_DELAY_S);
      }
      if (isForeseen(error)) {
        await this.#replies.again(received, UNAVAILABLE_DELAY_S);
        throw error;
      }
      // Nobody claimed it: there is no next claim that could make a try of this one.
      await spendTry(this.#on.leases, message.batchId).catch(() => undefined);
      await this.#brokeOff(received, error);
      if (this.#breakage.isGeneral) throw error;
      return undefined;
    }
  }

  /** Beside others; alone where it was tried before. */
  async #claimNamed(received: Received): Promise<Accepted> {
    const beside = await this.#claimIn(1, received);
    if (beside !== 'tried') return beside;
    const alone = await this.#claimIn(Number.POSITIVE_INFINITY, received);
    if (alone === 'tried') throw new Error('a batch that is alone is refused for not being so');
    return alone;
  }

  async #claimIn(places: number, received: Received): Promise<Accepted | 'tried'> {
    const leave = await this.#places.hold(places);
    let batch: Accepted | 'tried';
    try {
      // Others may have been waited for.
      if (this.#isEnding() || this.#limits.isOutOfTime) {
        await this.#replies.again(received, this.#delayOfStopped());
        return undefined;
      }
      batch = await this.#claimHere(received, places > 1);
      if (typeof batch !== 'object') return batch;
      this.#received.set(batch, { ...received, leave });
      return batch;
    } catch (error) {
      // It ends the run: those that wait for this place are not to begin anything.
      if (isForeseen(error) && !isAtOdds(error)) this.#ending.abort(error);
      throw error;
    } finally {
      if (typeof batch !== 'object') leave();
    }
  }

  async #claimHere(received: Received, isAlone: boolean): Promise<Accepted | 'tried'> {
    const { delivery, message } = received;
    const { settings, database } = this.#on;
    const foreign = await foreignJobs(database, settings.source.index);
    if (foreign.includes(message.jobId))
      return this.#replies.refuse(delivery, 'its job reads another index than the configured');
    const { jobId, batchId, attempt, isExcused } = message;
    const claim = await claimNamedBatch(
      database,
      leaseOwner(this.#run.host),
      settings.leaseSeconds,
      {
        ...{ jobId, batchId, isAlone },
        // As many as receipts that are worked on.
        mostTries: this.#maxReceives - 1,
        excusedClaim: isExcused ? attempt - 1 : undefined,
      },
    );
    switch (claim.kind) {
      case 'claimed':
        reached('batch-claimed');
        return claim.batch;
      case 'tried':
        return claim.kind;
      case 'worn-out':
        return this.#giveUp(received, claim.tries);
      case 'given-up':
        return this.#replies.refuse(
          delivery,
          `batch ${batchId} was given up: no try of it came to its end`,
        );
      case 'held':
        if ((await endLeasesOfGone(this.#run, database, 'batch_progress')) > 0)
          return this.#claimHere(received, isAlone);
        return this.#replies.again(received, claim.secondsLeft + BEHIND_LEASE_S);
      case 'finished':
      case 'missing':
        return this.#replies.done(received);
    }
  }

  async #giveUp(received: Received, tries: number): Promise<undefined> {
    const { delivery, message } = received;
    const given = await giveUp(this.#run, this.#on.database, message, tries);
    // Somebody else was faster, or we have, and did not hear of it.
    if (!given) return this.#replies.again(received, this.#on.settings.leaseSeconds);
    this.#givenUp(given.messages);
    return this.#replies.refuse(delivery, given.reason);
  }

  /** Nobody foresaw what is wrong: where it seems to be the batch, it stays suspect. */
  async #brokeOff(received: Received, error: unknown): Promise<void> {
    const { batchId } = received.message;
    this.#breakage.broke(batchId);
    if (this.#breakage.isGeneral) {
      // Where that can't be noted they spend a try each.
      await excuseBatches(this.#on.leases, this.#breakage.batches).catch(() => undefined);
      return this.#replies.again(received, GENERAL_DELAY_S);
    }
    const why = error instanceof Error ? error.message : String(error);
    const said = `batch ${batchId} is given back, and tried again: ${why}`;
    this.#error(said, received.message);
    return this.#replies.again(received, BROKEN_DELAY_S);
  }

  #error(message: string, { jobId, batchId }: BatchMessage): void {
    this.#run.report({ type: 'log', level: 'error', message, fields: { jobId, batchId } });
  }
}

export interface QueueSourceParts {
  readonly inbox: Inbox;
  /** Called, with `watch`, whenever no message came. */
  readonly whenIdle: () => Promise<void>;
  /** Told how many messages were failed with a batch that was given up. */
  readonly givenUp: (messages: number) => void;
  /** Of the runs before, where these were short. */
  readonly breakage?: Breakage;
}

/** Undefined where there is nothing to do, and the message was seen to. */
type Accepted = ClaimedBatch | undefined;

/** One whose batch was claimed; `leave` lets others have its place. */
interface Claimed extends Received {
  readonly leave: () => void;
}

/** The same for the next claim, by somebody who knows that this one has ended for no fault of the batch. */
function excusedFrom({ delivery, message }: Received, { claim }: ClaimedBatch): Received {
  return { delivery, message: { ...message, attempt: claim + 1, isExcused: true } };
}
