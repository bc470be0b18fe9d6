import type { Report } from '../run.js';
import { reached } from '../steps.js';
import type { Database, Statements } from '../tracking/database.js';
import { withLock } from '../tracking/lock.js';
import { ALL_JOBS, workingSet } from '../tracking/scope.js';
import {
  countSent,
  forgetSent,
  markSent,
  unsentBatches,
  type UnsentScope,
} from '../tracking/outbox.js';
import type { Queue } from './queue.js';

/** Batches looked up, sent and marked at once. */
const AT_ONCE = 500;
/** A queue with too few messages has lost what was sent so long ago: longer than its counts lag behind, and than one is held back. */
const LOST_AFTER_S = 20 * 60;
/** How far a queue's counts lag behind at most, by SQS's own word a minute. */
const LAG_S = 120;
/** How long an extraction that has ended waits for others who are sending, in seconds. */
const TURN_S = 3;

export interface OutboxPlace {
  readonly database: Database;
  /** The connections that are kept for what must not wait. */
  readonly leases: Database;
  readonly databaseId: string;
  /** The configured index: batches of jobs over others are not ours to send. */
  readonly index: string;
}

/**
 * Puts a message into the queue for each batch that waits and has none there. Between the tracking database and the queue
 * nothing is lost: what is not marked as sent is sent again, by whoever comes next, and a message that comes twice does nothing
 * the second time.
 */
export class Outbox {
  readonly #place: OutboxPlace;
  readonly #queue: Queue;

  constructor(queue: Queue, place: OutboxPlace) {
    this.#queue = queue;
    this.#place = place;
  }

  get databaseId(): string {
    return this.#place.databaseId;
  }

  /**
   * Sends for all batches there are now; how many those were. One process at a time does so: where another one is at it, it
   * is waited for, or nothing is done.
   */
  async flush(signal: AbortSignal, others: 'wait' | 'leave' = 'wait'): Promise<number> {
    const { database, index } = this.#place;
    const jobs = await workingSet(database, index, undefined);
    const scope = { growing: undefined, jobs, after: 0 };
    const seconds = others === 'wait' ? TURN_S : 0;
    const done = await withLock(database, 'outbox', seconds, (on) => this.#send(on, scope, signal));
    return done?.sent ?? 0;
  }

  /** The same while a job is being extracted, whose last batch still grows: only what it has added since. */
  whileGrowing(jobId: number, report: Report, signal: AbortSignal): GrowingOutbox {
    const { database } = this.#place;
    return new GrowingOutbox(
      (after) => this.#send(database, { growing: jobId, jobs: ALL_JOBS, after }, signal),
      report,
      signal,
    );
  }

  /**
   * Sends again what was sent and must be lost: all that was sent long ago where the queue has fewer messages than there are
   * batches that wait for one, since nobody can tell which are gone; and what is older than the queue keeps anything.
   */
  async resendLost(signal: AbortSignal): Promise<number> {
    const { database, index } = this.#place;
    const { messages, retentionSeconds } = await this.#queue.state(signal);
    const jobs = await workingSet(database, index, undefined);
    const isShort = messages < (await countSent(database, LAG_S, jobs));
    const lost = await forgetSent(database, isShort ? LOST_AFTER_S : retentionSeconds, jobs);
    if (lost > 0) await this.flush(signal);
    return lost;
  }

  /** A message for this batch is in the queue, by whichever way it got there. Where that can't be noted, another one is sent. */
  async remember(batchId: number): Promise<void> {
    await markSent(this.#place.leases, [batchId]).catch(() => undefined);
  }

  async #send(
    on: Statements,
    scope: Omit<UnsentScope, 'limit'>,
    signal: AbortSignal,
  ): Promise<{ sent: number; after: number }> {
    const { databaseId } = this.#place;
    let sent = 0;
    for (let { after } = scope; ;) {
      signal.throwIfAborted();
      const batches = await unsentBatches(on, { ...scope, after, limit: AT_ONCE });
      const last = batches.at(-1);
      if (!last) return { sent, after };
      await this.#queue.send(
        batches.map(({ batchId, jobId, claims }) => ({
          ...{ databaseId, jobId, batchId },
          ...{ attempt: claims + 1, isExcused: false },
        })),
        0,
        signal,
      );
      reached('messages-sent');
      await markSent(
        on,
        batches.map(({ batchId }) => batchId),
      );
      reached('messages-marked');
      sent += batches.length;
      after = last.batchId;
    }
  }
}

/** Sends while pages are being stored, without holding them up. */
export class GrowingOutbox {
  readonly #send: (after: number) => Promise<{ after: number }>;
  readonly #report: Report;
  readonly #signal: AbortSignal;
  #after = 0;
  #sending: Promise<void> | undefined;
  #isDue = false;
  #hasFailed = false;

  constructor(
    send: (after: number) => Promise<{ after: number }>,
    report: Report,
    signal: AbortSignal,
  ) {
    this.#send = send;
    this.#report = report;
    this.#signal = signal;
  }

  /** There are new batches. Returns at once; what can't be sent now is sent at the end of the extraction. */
  notify(): void {
    this.#isDue = true;
    this.#sending ??= this.#sendAll();
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    try {
      while (this.#isDue && !this.#hasFailed) {
        this.#isDue = false;
        ({ after: this.#after } = await this.#send(this.#after));
      }
    } catch (error) {
      this.#hasFailed = true;
      if (!this.#signal.aborted) {
        const message = `batches are not sent to the queue for now: ${(error as Error).message}`;
        this.#report({ type: 'log', level: 'warn', message });
      }
    } finally {
      this.#sending = undefined;
    }
  }
}
