import { setTimeout as sleep } from 'node:timers/promises';
import type { LambdaFunction } from '../../sandbox/lambda/function.js';
import type { Random } from '../../sandbox/sample/random.js';

/** Between two kills, in milliseconds. */
const SHORTEST = 500;
const LONGEST = 1500;

export interface Kills {
  readonly count: number;
  /** Rejects where it went wrong. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/**
 * About every second strikes one of as many places as there may be containers, and kills whoever works there, wherever it is.
 * A function that works alone is so no more in danger than among others, or it would never get to its end.
 */
export function randomKills(
  functions: readonly LambdaFunction[],
  places: number,
  random: Random,
): Kills {
  let count = 0;
  const stop = new AbortController();
  const go = async () => {
    for (;;) {
      const pause = random.between(SHORTEST, LONGEST);
      await sleep(pause, undefined, { signal: stop.signal }).catch(() => undefined);
      if (stop.signal.aborted) return;
      const victim = functions.flatMap(({ busy }) => busy)[random.between(0, places - 1)];
      if (!victim?.isAlive) continue;
      // Hardly ever while it starts: on a slow machine nobody would get any further.
      if (victim.initMs === undefined && random.between(1, 10) > 1) continue;
      victim.kill();
      count += 1;
    }
  };
  const going = go();
  going.catch(() => stop.abort());
  return {
    get count() {
      return count;
    },
    ended: going,
    stop: async () => {
      stop.abort();
      await going;
    },
  };
}
