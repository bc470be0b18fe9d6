import type { Connections } from '../connect.js';
import { sleep } from '../retry.js';
import { ownerOf, type Run } from '../run.js';
import { reached } from '../steps.js';
import { claimBatch, type ClaimedBatch } from '../tracking/claims.js';
import { hasPending } from '../tracking/counters.js';
import { foreignJobs } from '../tracking/jobs.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** With `watch`: how often an empty queue is looked at. */
const POLL_MS = 5_000;
/** How long, and how often, pending batches are looked at again that others have locked just now. */
const LOCKED_MS = 5_000;
const LOCKED_POLL_MS = 100;

/** Where batches come from: claims the next one, or says why there is none. */
export class WorkQueue {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #options: CarryOptions;
  readonly #requeue: () => Promise<void>;
  readonly #startedAt = performance.now();
  #claimed = 0;
  #lockedSince: number | undefined;
  /** Jobs over other indices, which are not ours to process. */
  foreign: readonly number[] = [];
  /** Why there is no more work, once there is none. */
  ended: ProcessOutcome['ended'] = 'nothing-left';

  constructor(run: Run, on: Connections, options: CarryOptions, requeue: () => Promise<void>) {
    this.#run = run;
    this.#on = on;
    this.#options = options;
    this.#requeue = requeue;
  }

  /** The next batch, claimed; undefined when this run is to claim no more. */
  async take(): Promise<ClaimedBatch | undefined> {
    const { settings, database } = this.#on;
    for (;;) {
      const limit = this.#limitReached();
      if (limit) {
        this.ended = limit;
        return undefined;
      }
      // Counted before it is claimed: several workers take at once.
      this.#claimed += 1;
      const owner = ownerOf(this.#run.host);
      const batch = await claimBatch(database, owner, settings.leaseSeconds, this.foreign);
      if (batch) {
        reached('batch-claimed');
        return batch;
      }
      this.#claimed -= 1;
      if (await this.#onlyLocked()) {
        await sleep(LOCKED_POLL_MS, this.#run.stop).catch(() => undefined);
        continue;
      }
      if (!this.#options.watch) return undefined;
      await sleep(POLL_MS, this.#run.stop).catch(() => undefined);
      await this.lookAround();
      await this.#requeue();
    }
  }

  /** Finds out which jobs are not ours; jobs may have been added since. */
  async lookAround(): Promise<void> {
    const { settings, database } = this.#on;
    this.foreign = await foreignJobs(database, settings.source.index);
  }

  /** SKIP LOCKED passes over a batch that somebody is filling or has just given back: it is pending all the same. */
  async #onlyLocked(): Promise<boolean> {
    if (!(await hasPending(this.#on.database, this.foreign))) {
      this.#lockedSince = undefined;
      return false;
    }
    this.#lockedSince ??= performance.now();
    return performance.now() - this.#lockedSince < LOCKED_MS;
  }

  #limitReached(): ProcessOutcome['ended'] | undefined {
    const { maxBatches, maxRuntimeMs } = this.#options;
    if (this.#run.stop.aborted) return 'stopped';
    if (maxBatches !== undefined && this.#claimed >= maxBatches) return 'max-batches';
    if (maxRuntimeMs !== undefined && performance.now() - this.#startedAt >= maxRuntimeMs)
      return 'max-runtime';
    return undefined;
  }
}
