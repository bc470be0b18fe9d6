import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds, for at most a minute. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what = 'the condition',
): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what} did not come about within a minute`);
    await sleep(20);
  }
}
