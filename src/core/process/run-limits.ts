import type { Run } from '../run.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

/** When a run is to take no more: it was told to stop, or has had what it was given. */
export class RunLimits {
  readonly #stop: AbortSignal;
  readonly #options: CarryOptions;
  readonly #startedAt = performance.now();
  #taken = 0;

  constructor({ stop }: Run, options: CarryOptions) {
    this.#stop = stop;
    this.#options = options;
  }

  /** Counts a batch before it is claimed: several workers take at once. */
  count(): void {
    this.#taken += 1;
  }

  /** There was none to claim after all. */
  uncount(): void {
    this.#taken -= 1;
  }

  reached(): ProcessOutcome['ended'] | undefined {
    const { maxBatches } = this.#options;
    if (this.#stop.aborted) return 'stopped';
    if (maxBatches !== undefined && this.#taken >= maxBatches) return 'max-batches';
    return this.isOutOfTime ? 'max-runtime' : undefined;
  }

  get isOutOfTime(): boolean {
    const { maxRuntimeMs } = this.#options;
    return maxRuntimeMs !== undefined && performance.now() - this.#startedAt >= maxRuntimeMs;
  }
}
