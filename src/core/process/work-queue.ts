import type { Connections } from '../connect.js';
import { isForeseen } from '../fault.js';
import { sleep } from '../retry.js';
import { leaseOwner, measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import { isAtOdds, type BatchAtOdds } from '../tracking/agreement.js';
import { claimNext, type NextClaim, type Room } from '../tracking/claim-next.js';
import type { ClaimedBatch } from '../tracking/claims.js';
import { hasPending } from '../tracking/counters.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { workingSet, type JobSet } from '../tracking/scope.js';
import { excuseClaims, MOST_EXCUSED } from '../tracking/tries.js';
import type { BatchSource, Settled } from './batch-source.js';
import { Breakage } from './breakage.js';
import { Budget } from './budget.js';
import { giveUp, MOST_TRIES } from './give-up.js';
import { RunLimits } from './run-limits.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** With `watch`: how often an empty queue is looked at. */
const POLL_MS = 5_000;
/** How long, and how often, pending batches are looked at again that others have locked just now. */
const LOCKED_MS = 5_000;
const LOCKED_POLL_MS = 100;

/** So many new batches are claimed before one that was claimed before has its turn. */
const MOST_NEW_IN_A_ROW = 100;
/** What a batch takes of the places, of which there is one for each batch in flight. */
const PLACES: Readonly<Record<Room, number>> = { one: 1, half: 2, all: Number.POSITIVE_INFINITY };

type Tried = Extract<NextClaim, { kind: 'tried' }>;

export interface WorkQueueParts {
  /** Called, with `watch`, whenever there was nothing to claim. */
  readonly whenIdle: () => Promise<void>;
  /** Told how many messages were failed with a batch that was given up. */
  readonly givenUp: (messages: number) => void;
}

/**
 * Claims batches from the tracking database, one after the other. One that may have killed the process that had claimed it comes
 * last, or after so many new ones. First it is processed beside half as many others as usual: all that were in hand may have died of
 * one. Then alone, so that no other dies with it; after some such tries it is given up.
 *
 * So does one that broke off with an unexpected error, as long as others are carried by this process: that shows that it is the
 * batch. Where none was since this process began, or three in a row break off, nobody is to blame: the run ends.
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
  /** Batches whose counters and rows contradict each other: they cannot be claimed until they are repaired. */
  readonly #passOver: number[] = [];
  readonly #breakage = new Breakage();
  /** Of the batches that broke off since one was carried: the claims that did, by batch. */
  readonly #broken = new Map<number, number>();
  #newInARow = 0;
  #lastError: unknown;
  /** This process has carried a batch: it can be done. */
  #hasCarried = false;
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

  async settle(batch: ClaimedBatch, how: Settled): Promise<void> {
    try {
      if (how.kind === 'carried') this.#carried();
      if (how.kind === 'threw') await this.#threw(batch, how.error);
    } finally {
      this.#leave.get(batch)?.();
      this.#leave.delete(batch);
    }
  }

  /** What broke off without a sign that others can be carried is no try. */
  async close(): Promise<void> {
    if (!this.#hasCarried) await this.#excuse(undefined);
  }

  /** Finds out which jobs' batches may be claimed, before the first is; jobs may have been added since. */
  async findScope(): Promise<void> {
    const { settings, database } = this.#on;
    const { jobs, leftAlone } = this.#within;
    this.#scope = await workingSet(database, settings.source.index, jobs, leftAlone);
  }

  #carried(): void {
    this.#hasCarried = true;
    this.#breakage.carried();
    this.#broken.clear();
  }

  /** Pending again, and suspect where the error was unexpected: it comes last from now on. */
  async #threw(batch: ClaimedBatch, error: unknown): Promise<void> {
    if (isForeseen(error)) return this.#end(error);
    const { batchId, jobId, claim } = batch;
    this.#breakage.broke(batchId);
    this.#broken.set(batchId, claim);
    if (this.#breakage.isGeneral) {
      await this.#excuse(this.#hasCarried ? MOST_EXCUSED : undefined);
      return this.#end(error);
    }
    this.#lastError = error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `batch ${batchId} is given back, and tried again: ${why}`;
    this.#run.report({ type: 'log', level: 'error', message, fields: { jobId, batchId } });
  }

  #end(error: unknown): never {
    this.#isEnding = true;
    throw error;
  }

  /** Where that can't be noted they spend a try each. */
  async #excuse(mostClaims: number | undefined): Promise<void> {
    await excuseClaims(this.#on.leases, this.#broken, mostClaims).catch(() => undefined);
    this.#broken.clear();
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
      if (this.#isAllBroken()) this.#end(this.#lastError);
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

  /** There is nothing to be claimed but what broke off, and nothing in hand that could still show that it can be done. */
  #isAllBroken(): boolean {
    return !this.#hasCarried && this.#broken.size > 0 && this.#leave.size === 0;
  }

  /** Beside others; beside fewer, or alone, where there are only batches that were tried before. */
  async #claim(): Promise<ClaimedBatch | 'none' | 'again'> {
    let room: Room = 'one';
    for (;;) {
      const next = await this.#claimIn(room);
      if (typeof next !== 'object' || 'batchId' in next) return next;
      room = next.needs;
    }
  }

  async #claimIn(room: Room): Promise<ClaimedBatch | 'none' | 'again' | Tried> {
    const leave = await this.#places.hold(PLACES[room]);
    let claimed: ClaimedBatch | undefined;
    try {
      // Others may have been waited for.
      if (this.#isEnding || this.#run.stop.aborted || this.#limits.isOutOfTime) return 'again';
      const next = await this.#claimOne(room);
      if (typeof next !== 'object' || !('batchId' in next)) return next;
      claimed = next;
      this.#leave.set(claimed, leave);
      return claimed;
    } finally {
      if (!claimed) leave();
    }
  }

  async #claimOne(room: Room): Promise<ClaimedBatch | 'none' | 'again' | Tried> {
    const { settings, database } = this.#on;
    const owner = leaseOwner(this.#run.host);
    const isTheirTurn = this.#newInARow >= MOST_NEW_IN_A_ROW;
    // Without a sign that others can be carried a broken one would break off again, and that would count.
    const passOver = [...this.#passOver, ...(this.#hasCarried ? [] : this.#broken.keys())];
    const terms = { scope: this.#scope, room, isTheirTurn, mostTries: MOST_TRIES, passOver };
    const next = await claimNext(database, owner, settings.leaseSeconds, terms);
    switch (next.kind) {
      case 'claimed':
        reached('batch-claimed');
        this.#newInARow = isTheirTurn || next.isAgain ? 0 : this.#newInARow + 1;
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
        return next.kind;
      case 'tried':
        return next;
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
