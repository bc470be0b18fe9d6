import type { Connections } from '../connect.js';
import { sleep } from '../retry.js';
import { ownerOf, type Run } from '../run.js';
import { claimBatch, type ClaimedBatch } from '../tracking/claims.js';
import { requeueFailed } from '../tracking/requeue.js';
import type { ProcessOptions, ProcessOutcome } from './types.js';

/** With `watch`: how often an empty queue is looked at, and how often failed messages are requeued. */
const POLL_MS = 5_000;
const REQUEUE_MS = 5 * 60_000;

/** Where batches come from: claims the next one, or says why there is none. */
export class WorkQueue {
  readonly #run: Run;
  readonly #on: Connections;
  readonly #options: ProcessOptions;
  readonly #startedAt = performance.now();
  #requeuedAt = this.#startedAt;
  #claimed = 0;
  /** Failed messages put back to pending. */
  requeued = 0;
  /** Why there is no more work, once there is none. */
  ended: ProcessOutcome['ended'] = 'nothing-left';

  constructor(run: Run, on: Connections, options: ProcessOptions) {
    this.#run = run;
    this.#on = on;
    this.#options = options;
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
      const batch = await claimBatch(database, ownerOf(this.#run.host), settings.leaseSeconds);
      if (batch) return batch;
      this.#claimed -= 1;
      if (!this.#options.watch) return undefined;
      await sleep(POLL_MS, this.#run.stop).catch(() => undefined);
      if (performance.now() - this.#requeuedAt > REQUEUE_MS) await this.requeue();
    }
  }

  /** Puts failed messages with attempts left back to pending, unless told not to. */
  async requeue(): Promise<void> {
    this.#requeuedAt = performance.now();
    if (!this.#options.retryFailed) return;
    const { settings, database } = this.#on;
    const scope = { force: false, maxAttempts: settings.maxAttempts };
    const requeued = await requeueFailed(database, scope, settings.batchSize);
    this.requeued += requeued;
    if (requeued > 0) {
      this.#run.report({
        type: 'log',
        level: 'info',
        message: `${requeued} failed messages are tried again`,
      });
    }
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
