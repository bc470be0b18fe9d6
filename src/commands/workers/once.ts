import type { LogEvent } from '../../core/run.js';

/** For how long another worker's same words are no news, in milliseconds. */
const MOMENT_MS = 5_000;

/** Tells what several workers say at the same moment once: a server that is down is seen by all of them. */
export class OnceForAll {
  readonly #now: () => number;
  readonly #told = new Map<string, { readonly by: number; readonly at: number }>();

  /** @param now milliseconds of a steady clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a line is to be shown; `by` tells workers apart. What one worker repeats is shown each time. */
  isNews({ level, message }: Pick<LogEvent, 'level' | 'message'>, by: number): boolean {
    const at = this.#now();
    for (const [key, told] of this.#told) {
      if (at - told.at <= MOMENT_MS) break;
      this.#told.delete(key);
    }
    const key = `${level} ${message}`;
    const told = this.#told.get(key);
    if (told && told.by !== by) return false;
    // At the end, so that the oldest stands first.
    this.#told.delete(key);
    this.#told.set(key, { by, at });
    return true;
  }
}
