import type { Run } from '../run.js';
import type { CarryOptions, ProcessOutcome } from './types.js';

type Limits = Pick<CarryOptions, 'maxBatches' | 'maxRuntimeMs'>;

/** When a run is to take no more: it was told to stop, or has had what it was given. */
export class RunLimits {
  readonly #stop: AbortSignal;
  readonly #options: Limits;
  readonly #startedAt = performance.now();
  #taken = 0;
  #reached: ProcessOutcome['ended'] | undefined;

  constructor({ stop }: Pick<Run, 'stop'>, options: Limits) {
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

  /** Undefined where another batch may be taken. */
  reached(): ProcessOutcome['ended'] | undefined {
    const limit = this.#limit();
    this.#reached = limit ?? this.#reached;
    return limit;
  }

  /** Why no more was taken. One that counted the last batch and found none had the others refused for nothing. */
  get ended(): ProcessOutcome['ended'] {
    const isWrong = this.#reached === 'max-batches' && !this.#isFull;
    return isWrong ? 'nothing-left' : (this.#reached ?? 'nothing-left');
  }

  get isOutOfTime(): boolean {
    return this.leftMs <= 0;
  }

  /** Time that is left, in milliseconds; infinite without a limit. */
  get leftMs(): number {
    const { maxRuntimeMs = Number.POSITIVE_INFINITY } = this.#options;
    return this.#startedAt + maxRuntimeMs - performance.now();
  }

  get #isFull(): boolean {
    const { maxBatches } = this.#options;
    return maxBatches !== undefined && this.#taken >= maxBatches;
  }

  #limit(): ProcessOutcome['ended'] | undefined {
    if (this.#stop.aborted) return 'stopped';
    if (this.#isFull) return 'max-batches';
    return this.isOutOfTime ? 'max-runtime' : undefined;
  }
}
