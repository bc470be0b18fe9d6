import { readFile } from 'node:fs/promises';
import { startBinary, type BinaryOptions, type Running } from '../support/binary.js';
import { until } from '../support/until.js';

/** Starts a process that is stopped (SIGSTOP) at a step, and waits until it is. */
export async function startPaused(
  args: readonly string[],
  options: BinaryOptions,
  stopAt: string,
): Promise<Running> {
  const running = startBinary(args, {
    ...options,
    env: { ...options.env, ES_MIGRATE_TEST_STOP_AT: `SIGSTOP ${stopAt}` },
    preload: [...(options.preload ?? []), 'stop-at.mjs'],
  });
  await running.shows(/^stopping at /m);
  await untilStopped(running);
  return running;
}

/** Stops a process from outside, wherever it is. */
export async function pause(running: Running): Promise<void> {
  running.child.kill('SIGSTOP');
  await untilStopped(running);
}

export function resume(running: Running): void {
  running.child.kill('SIGCONT');
}

async function untilStopped({ child }: Running): Promise<void> {
  await until(async () => (await stateOf(child.pid ?? 0)) === 'T');
}

/** The letter Linux shows for it; T is stopped. */
async function stateOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return /\) (\S)/.exec(stat)?.[1];
}
