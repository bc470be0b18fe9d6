import type { Report } from '../run.js';
import { reached } from '../steps.js';
import type { Database } from '../tracking/database.js';
import { foreignJobs } from '../tracking/jobs.js';
import { forgetSent, markSent, unsentBatches, type UnsentScope } from '../tracking/outbox.js';
import type { Queue } from './queue.js';

/** Batches looked up, sent and marked at once. */
const AT_ONCE = 500;
/** An empty queue has lost what was sent so long ago: longer than its counts lag behind, and than a message is held back. */
const LOST_AFTER_S = 20 * 60;

/**
 * Puts a message into the queue for each pending batch that has none there. Between the tracking database and the queue nothing is
 * lost: what is not marked as sent is sent again, by whoever comes next, and a message that comes twice does nothing the
 * second time.
 */
export class Outbox {
  readonly #database: Database;
  readonly #queue: Queue;
  readonly #index: string;
  readonly databaseId: string;

  /** @param index the configured one: batches of jobs over others are not ours to send */
  constructor(database: Database, queue: Queue, of: { databaseId: string; index: string }) {
    this.#database = database;
    this.#queue = queue;
    this.databaseId = of.databaseId;
    this.#index = of.index;
  }

  /** Sends for all batches there are now; how many those were. */
  async flush(signal: AbortSignal): Promise<number> {
    const exceptJobs = await foreignJobs(this.#database, this.#index);
    const { sent } = await this.#send({ growing: undefined, exceptJobs, after: 0 }, signal);
    return sent;
  }

  /** The same while a job is being extracted, whose last batch still grows: only what it has added since. */
  whileGrowing(jobId: number, report: Report, signal: AbortSignal): GrowingOutbox {
    return new GrowingOutbox(
      (after) => this.#send({ growing: jobId, exceptJobs: [], after }, signal),
      report,
      signal,
    );
  }

  /**
   * Sends again what was sent and must be lost: everything where the queue has long been empty, and what is older than the
   * queue keeps anything.
   */
  async resendLost(signal: AbortSignal): Promise<number> {
    const { messages, retentionSeconds } = await this.#queue.state(signal);
    const lostAfter = messages === 0 ? LOST_AFTER_S : retentionSeconds;
    const lost = await forgetSent(this.#database, lostAfter);
    if (lost > 0) await this.flush(signal);
    return lost;
  }

  /** A message for this batch is in the queue, by whichever way it got there. */
  remember(batchId: number): Promise<void> {
    return markSent(this.#database, [batchId]);
  }

  async #send(
    scope: Omit<UnsentScope, 'limit'>,
    signal: AbortSignal,
  ): Promise<{ sent: number; after: number }> {
    let sent = 0;
    for (let { after } = scope; ;) {
      signal.throwIfAborted();
      const batches = await unsentBatches(this.#database, { ...scope, after, limit: AT_ONCE });
      const last = batches.at(-1);
      if (!last) return { sent, after };
      const { databaseId } = this;
      await this.#queue.send(
        batches.map(({ batchId, jobId }) => ({ databaseId, jobId, batchId, attempt: 1 })),
        0,
        signal,
      );
      reached('messages-sent');
      await markSent(
        this.#database,
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
