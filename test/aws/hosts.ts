import { setTimeout as sleep } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { onTestFinished } from 'vitest';
import type { Random } from '../../sandbox/sample/random.js';
import { query } from '../end-to-end/landed.js';
import { startBinary, type Running } from '../support/binary.js';
import type { Project } from '../support/project.js';

/** How long a host works before it is drained, in milliseconds. */
const SHORTEST = 4_000;
const LONGEST = 10_000;

export interface Drained {
  /** Exit codes, one for each time a host was drained. */
  readonly codes: readonly number[];
  /** How many of these had a batch in hand when they were told. */
  readonly working: number;
  /** Leases that a drained host had left behind, live. */
  readonly left: number;
}

/**
 * A host: `process --watch`, drained by SIGTERM after some seconds as Auto Scaling drains it, and replaced by the next, until
 * `isDone`; then it is drained a last time.
 */
export async function host(
  project: Project,
  flags: readonly string[],
  random: Random,
  isDone: () => Promise<boolean>,
): Promise<Drained> {
  const codes: number[] = [];
  let working = 0;
  let left = 0;
  for (let done = false; !done;) {
    const running = startBinary(['process', '--watch', ...flags], project);
    onTestFinished(() => void running.child.kill('SIGKILL'));
    done = await worksFor(random.between(SHORTEST, LONGEST), running, isDone);
    if ((await leasesOf(project, running)) > 0) working += 1;
    running.child.kill('SIGTERM');
    const { code, stderr } = await running.ended;
    if (code !== 143) throw new Error(`a drained host ended with ${code}: ${stderr}`);
    codes.push(code);
    left += await leasesOf(project, running);
  }
  return { codes, working, left };
}

async function worksFor(
  ms: number,
  running: Running,
  isDone: () => Promise<boolean>,
): Promise<boolean> {
  const end = performance.now() + ms;
  while (performance.now() < end) {
    if (running.child.exitCode !== null)
      throw new Error(`a host ended by itself: ${(await running.ended).stderr}`);
    if (await isDone()) return true;
    await sleep(500);
  }
  return false;
}

/** Batches that a process still holds by a live lease. */
async function leasesOf(project: Project, { child }: Running): Promise<number> {
  const [row] = await query<RowDataPacket & { held: number }>(
    project,
    `SELECT COUNT(*) AS held FROM batch_progress
     WHERE status = 'in_progress' AND lease_expires_at > NOW(6) AND lease_owner LIKE '%:${child.pid ?? 0}'`,
  );
  return row?.held ?? 0;
}
