import type { Connections } from '../connect.js';
import { sleep } from '../retry.js';
import { leaseOwner, measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import { claimBatch, type ClaimedBatch } from '../tracking/claims.js';
import { hasPending } from '../tracking/counters.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { workingSet, type JobSet } from '../tracking/scope.js';
import type { BatchSource, Settled } from './batch-source.js';
import { RunLimits } from './run-limits.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** With `watch`: how often an empty queue is looked at. */
const POLL_MS = 5_000;
/** How long, and how often, pending batches are looked at again that others have locked just now. */
const LOCKED_MS = 5_000;
const LOCKED_POLL_MS = 100;

/** Claims batches from the tracking database, one after the other. */
export class WorkQueue implements BatchSource {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #jobs: CarryOptions['jobs'];
  readonly #watch: boolean;
  readonly #limits: RunLimits;
  readonly #requeue: () => Promise<void>;
  #lockedSince: number | undefined;
  #scope: JobSet = { kind: 'only', jobs: [] };

  constructor(run: Run, on: Connections, options: CarryOptions, requeue: () => Promise<void>) {
    this.#run = run;
    this.#on = on;
    this.#jobs = options.jobs;
    this.#watch = options.watch;
    this.#limits = new RunLimits(run, options);
    this.#requeue = requeue;
  }

  get ended(): ProcessOutcome['ended'] {
    return this.#limits.ended;
  }

  async take(): Promise<ClaimedBatch | undefined> {
    const { settings, database } = this.#on;
    for (;;) {
      if (this.#limits.reached()) return undefined;
      this.#limits.count();
      const owner = leaseOwner(this.#run.host);
      const batch = await claimBatch(database, owner, settings.leaseSeconds, this.#scope);
      if (batch) {
        reached('batch-claimed');
        return batch;
      }
      this.#limits.uncount();
      if ((await endLeasesOfGone(this.#run, database, 'batch_progress')) > 0) continue;
      if (await this.#onlyLocked()) {
        await sleep(LOCKED_POLL_MS, this.#run.stop).catch(() => undefined);
        continue;
      }
      if (!this.#watch) return undefined;
      measured(this.#run.report, { kind: 'idle' });
      await sleep(POLL_MS, this.#run.stop).catch(() => undefined);
      await this.findScope();
      await this.#requeue();
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is a rejection
  async settle(_batch: ClaimedBatch, how: Settled): Promise<void> {
    // It is pending again, and that is all anybody needs to know.
    if (how.kind === 'threw') throw how.error;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** Finds out which jobs' batches may be claimed, before the first is; jobs may have been added since. */
  async findScope(): Promise<void> {
    const { settings, database } = this.#on;
    this.#scope = await workingSet(database, settings.source.index, this.#jobs);
  }

  /** SKIP LOCKED passes over a batch that somebody is filling or has just given back: it is pending all the same. */
  async #onlyLocked(): Promise<boolean> {
    if (!(await hasPending(this.#on.database, this.#scope))) {
      this.#lockedSince = undefined;
      return false;
    }
    this.#lockedSince ??= performance.now();
    return performance.now() - this.#lockedSince < LOCKED_MS;
  }
}
