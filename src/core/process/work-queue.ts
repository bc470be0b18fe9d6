import type { Connections } from '../connect.js';
import { sleep } from '../retry.js';
import { leaseOwner, measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import { isAtOdds, type BatchAtOdds } from '../tracking/agreement.js';
import { claimNext } from '../tracking/claim-next.js';
import type { ClaimedBatch } from '../tracking/claims.js';
import { hasPending } from '../tracking/counters.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { workingSet, type JobSet } from '../tracking/scope.js';
import type { BatchSource, Settled } from './batch-source.js';
import { Budget } from './budget.js';
import { giveUp, MOST_TRIES } from './give-up.js';
import { RunLimits } from './run-limits.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** With `watch`: how often an empty queue is looked at. */
const POLL_MS = 5_000;
/** How long, and how often, pending batches are looked at again that others have locked just now. */
const LOCKED_MS = 5_000;
const LOCKED_POLL_MS = 100;

export interface WorkQueueParts {
  /** Called, with `watch`, whenever there was nothing to claim. */
  readonly whenIdle: () => Promise<void>;
  /** Told how many messages were failed with a batch that was given up. */
  readonly givenUp: (messages: number) => void;
}

/**
 * Claims batches from the tracking database, one after the other. One that may have killed the process that had claimed it comes
 * last, and is processed alone, so that no other dies with it; after some such tries it is given up.
 */
export class WorkQueue implements BatchSource {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #within: Pick<CarryOptions, 'jobs' | 'leftAlone'>;
  readonly #watch: boolean;
  readonly #limits: RunLimits;
  readonly #parts: WorkQueueParts;
  /** One for each batch in hand; one that is processed alone takes all. */
  readonly #places: Budget;
  readonly #leave = new Map<ClaimedBatch, () => void>();
  /** Batches whose counters and rows contradict each other: nobody can claim them, until they are repaired. */
  readonly #passOver: number[] = [];
  #isEnding = false;
  #lockedSince: number | undefined;
  #scope: JobSet = { kind: 'only', jobs: [] };

  constructor(run: Run, on: Connections, options: CarryOptions, parts: WorkQueueParts) {
    this.#run = run;
    this.#on = on;
    this.#within = options;
    this.#watch = options.watch;
    this.#limits = new RunLimits(run, options);
    this.#parts = parts;
    this.#places = new Budget(options.concurrency);
  }

  get ended(): ProcessOutcome['ended'] {
    return this.#limits.ended;
  }

  async take(): Promise<ClaimedBatch | undefined> {
    try {
      return await this.#next();
    } catch (error) {
      // Others may wait for a place: they are not to claim anything any more.
      this.#isEnding = true;
      throw error;
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  async settle(batch: ClaimedBatch, how: Settled): Promise<void> {
    this.#isEnding ||= how.kind === 'threw';
    this.#leave.get(batch)?.();
    this.#leave.delete(batch);
    // It is pending again, and that is all anybody needs to know.
    if (how.kind === 'threw') throw how.error;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Finds out which jobs' batches may be claimed, before the first is; jobs may have been added since. */
  async findScope(): Promise<void> {
    const { settings, database } = this.#on;
    const { jobs, leftAlone } = this.#within;
    this.#scope = await workingSet(database, settings.source.index, jobs, leftAlone);
  }

  async #next(): Promise<ClaimedBatch | undefined> {
    const { database } = this.#on;
    for (;;) {
      if (this.#isEnding || this.#limits.reached()) return undefined;
      this.#limits.count();
      const next = await this.#claim();
      if (typeof next === 'object') return next;
      this.#limits.uncount();
      if (next === 'again') continue;
      if ((await endLeasesOfGone(this.#run, database, 'batch_progress')) > 0) continue;
      if (await this.#onlyLocked()) {
        await sleep(LOCKED_POLL_MS, this.#run.stop).catch(() => undefined);
        continue;
      }
      if (!this.#watch) return undefined;
      measured(this.#run.report, { kind: 'idle' });
      await sleep(POLL_MS, this.#run.stop).catch(() => undefined);
      await this.findScope();
      await this.#parts.whenIdle();
    }
  }

  /** Beside others; alone where there are only batches that were tried before. */
  async #claim(): Promise<ClaimedBatch | 'none' | 'again'> {
    const beside = await this.#claimIn(1);
    if (beside !== 'suspect') return beside;
    const alone = await this.#claimIn(Number.POSITIVE_INFINITY);
    return alone === 'suspect' ? 'again' : alone;
  }

  async #claimIn(places: number): Promise<ClaimedBatch | 'none' | 'suspect' | 'again'> {
    const leave = await this.#places.hold(places);
    let claimed: ClaimedBatch | undefined;
    try {
      // Others may have been waited for.
      if (this.#isEnding || this.#run.stop.aborted || this.#limits.isOutOfTime) return 'again';
      const next = await this.#claimOne(places > 1);
      if (typeof next !== 'object') return next;
      claimed = next;
      this.#leave.set(claimed, leave);
      return claimed;
    } finally {
      if (!claimed) leave();
    }
  }

  async #claimOne(isAlone: boolean): Promise<ClaimedBatch | 'none' | 'suspect' | 'again'> {
    const { settings, database } = this.#on;
    const owner = leaseOwner(this.#run.host);
    const terms = { scope: this.#scope, isAlone, mostTries: MOST_TRIES, passOver: this.#passOver };
    const next = await claimNext(database, owner, settings.leaseSeconds, terms);
    switch (next.kind) {
      case 'claimed':
        reached('batch-claimed');
        return next.batch;
      case 'worn-out': {
        const given = await giveUp(this.#run, database, next, next.tries).catch(
          (error: unknown) => {
            if (!isAtOdds(error)) throw error;
            return error;
          },
        );
        if (isAtOdds(given)) this.#leaveAlone(given);
        else if (given) this.#parts.givenUp(given.messages);
        // Somebody else has it in hand just now.
        else await sleep(LOCKED_POLL_MS, this.#run.stop).catch(() => undefined);
        return 'again';
      }
      case 'at-odds':
        this.#leaveAlone(next.error);
        return 'again';
      case 'none':
      case 'suspect':
        return next.kind;
    }
  }

  /** For as long as this runs: others are still to be processed. */
  #leaveAlone({ batchId, message, advice }: BatchAtOdds): void {
    if (this.#passOver.includes(batchId)) return;
    this.#passOver.push(batchId);
    const what = `${message}. ${advice ?? ''}`;
    this.#run.report({ type: 'log', level: 'warn', message: what, fields: { batchId } });
  }

  /** SKIP LOCKED passes over a batch that somebody is filling or has just given back: it is pending all the same. */
  async #onlyLocked(): Promise<boolean> {
    if (!(await hasPending(this.#on.database, this.#scope, this.#passOver))) {
      this.#lockedSince = undefined;
      return false;
    }
    this.#lockedSince ??= performance.now();
    return performance.now() - this.#lockedSince < LOCKED_MS;
  }
}
