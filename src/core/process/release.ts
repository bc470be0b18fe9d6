import type { Connections } from '../connect.js';
import { measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import { releaseBatch, type ClaimedBatch } from '../tracking/claims.js';
import { excuseClaim } from '../tracking/tries.js';

interface Ended {
  readonly batch: ClaimedBatch;
  /** It may be the batch itself that could not be processed. */
  readonly isBlamed: boolean;
}

/**
 * Releases batches, and remembers those whose release MySQL could not be told: unless it is told later on, the next claim takes
 * them for batches that have killed their process.
 */
export class Releases {
  readonly #run: Run;
  readonly #on: Connections;
  #untold: readonly Ended[] = [];

  constructor(run: Run, on: Connections) {
    this.#run = run;
    this.#on = on;
  }

  /** @param isBlamed it may be the batch itself that could not be processed */
  async release(batch: ClaimedBatch, isBlamed: boolean): Promise<void> {
    try {
      await this.#tell({ batch, isBlamed });
      reached('batch-released');
    } catch (error) {
      this.#untold = [...this.#untold, { batch, isBlamed }];
      const { batchId, jobId } = batch;
      const message = `batch ${batchId} is not released; the next run on this host takes it over once this process has ended, others do when its lease has run out: ${(error as Error).message}`;
      this.#run.report({ type: 'log', level: 'warn', message, fields: { batchId, jobId } });
    }
  }

  /** Says once more what could not be said before. */
  async tellRest(): Promise<void> {
    const untold = this.#untold;
    this.#untold = [];
    for (const ended of untold) {
      await this.#tell(ended).catch(() => {
        this.#untold = [...this.#untold, ended];
      });
    }
  }

  async #tell({ batch, isBlamed }: Ended): Promise<void> {
    const { leases } = this.#on;
    if (await releaseBatch(leases, batch, isBlamed))
      measured(this.#run.report, { kind: 'returned' });
    else if (!isBlamed) await excuseClaim(leases, batch);
  }
}
