import { setTimeout as sleep } from 'node:timers/promises';
import type { LambdaFunction } from '../../sandbox/lambda/function.js';
import type { Random } from '../../sandbox/sample/random.js';

/** Between two kills, in milliseconds. */
const SHORTEST = 500;
const LONGEST = 1500;

export interface Kills {
  readonly count: number;
  stop(): Promise<void>;
}

/** Kills one of those that work on something about every second, wherever it is. */
export function randomKills(functions: readonly LambdaFunction[], random: Random): Kills {
  let count = 0;
  const stop = new AbortController();
  const go = async () => {
    for (;;) {
      await sleep(random.between(SHORTEST, LONGEST), undefined, { signal: stop.signal });
      const [first, ...others] = functions.flatMap(({ busy }) => busy);
      if (!first) continue;
      const victim = random.oneOf([first, ...others]);
      // Hardly ever while it starts: on a slow machine nobody would get any further.
      if (!victim.isAlive || (victim.initMs === undefined && random.between(1, 10) > 1)) continue;
      victim.kill();
      count += 1;
    }
  };
  const going = go().catch(() => undefined);
  return {
    get count() {
      return count;
    },
    stop: async () => {
      stop.abort();
      await going;
    },
  };
}
