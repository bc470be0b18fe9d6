import { sleep } from '../retry.js';

/**
 * Spaces requests evenly, so that a limit of N a second is never a burst of N. Requests wait their turn in
 * the order in which they asked.
 */
export class Pace {
  readonly #intervalMs: number;
  #next = 0;

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number) {
    this.#intervalMs = perSecond > 0 ? 1000 / perSecond : 0;
  }

  /** Waits for the next turn; `share`, above 0, is how much of the limit may be used just now. */
  async turn(signal: AbortSignal, share = 1): Promise<void> {
    if (this.#intervalMs === 0) return;
    const now = performance.now();
    const mine = Math.max(now, this.#next);
    this.#next = mine + this.#intervalMs / share;
    if (mine > now) await sleep(mine - now, signal);
  }
}
