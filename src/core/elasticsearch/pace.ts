import type { LimitSettings } from '../settings.js';
import { sleep } from '../retry.js';

/** Weight of the last request in the running average of what requests take. */
const WEIGHT = 0.2;
/** Elasticsearch rounds down. */
const ROUNDED_OFF_MS = 0.5;
/** What one request counts for at most: one that hung for a minute must not be followed by five of silence. */
const MOST_MS = 2_000;

/** Whether Elasticsearch is to work for us only part of the time: then others are there, who are to be spared. */
export function leavesPauses({ sourceLoad }: Pick<LimitSettings, 'sourceLoad'>): boolean {
  return sourceLoad > 0 && sourceLoad < 1;
}

/**
 * Spaces requests evenly, so that a limit of N a second is never a burst of N, and leaves Elasticsearch alone for a
 * multiple of the time that it works for us. Requests wait their turn in the order in which they asked.
 */
export class Pace {
  readonly #intervalMs: number;
  readonly #load: number;
  #next = 0;
  /** What requests took, on average. Each one's weights add up to 1: over time as much is paused for as was taken. */
  #tookMs = 0;

  constructor({
    sourceRequestsPerSecond,
    sourceLoad,
  }: Pick<LimitSettings, 'sourceRequestsPerSecond' | 'sourceLoad'>) {
    this.#intervalMs = sourceRequestsPerSecond > 0 ? 1000 / sourceRequestsPerSecond : 0;
    this.#load = sourceLoad;
  }

  /** Waits for the next turn; `share`, above 0, is how much of the limits may be used just now. */
  async turn(signal: AbortSignal, share = 1): Promise<void> {
    const pauseMs = this.#load > 0 ? this.#tookMs / this.#load : 0;
    const gap = Math.max(this.#intervalMs, pauseMs) / share;
    if (gap === 0) return;
    const now = performance.now();
    const mine = Math.max(now, this.#next);
    this.#next = mine + gap;
    if (mine > now) await sleep(mine - now, signal);
  }

  /** A request kept Elasticsearch busy that long, by its own account. */
  took(ms: number): void {
    const now = Math.min(ms + ROUNDED_OFF_MS, MOST_MS);
    this.#tookMs += (now - this.#tookMs) * WEIGHT;
  }
}
