import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PrivateMysql } from '../faults/private-mysql.js';
import { runBinary, type Ended } from '../support/binary.js';
import { runOutLeases } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { compareAll, type Whole } from '../support/whole.js';
import type { KillCase } from './cases.js';
import type { Sample } from './samples.js';
import { SETTINGS, type Stage } from './scenes.js';

/** What all cases share; read only. */
export interface Theatre {
  readonly samples: Readonly<Record<'small' | 'large', Sample>>;
  readonly failing: Stage['failing'];
  /** Holds the tracking databases, where it is not the server that all tests share. */
  readonly mysql?: PrivateMysql | undefined;
}

export interface KillResult {
  readonly killed: Ended;
  readonly finished: Ended;
  /** What the next run's verification found, before anything was repaired. */
  readonly damage: Damage;
  readonly whole: Whole;
  /** Staged files that are left. */
  readonly leftovers: readonly string[];
}

/** Kills a process at a step, lets its leases run out or not, starts another that finishes, and compares everything. */
export async function killAndFinish(theatre: Theatre, kill: KillCase): Promise<KillResult> {
  const { layout, step, times, scene } = kill;
  const sample = theatre.samples[scene.sample];
  const settings = { ...SETTINGS, ...scene.settings };
  const made = await makeProject({ indices: sample.indices, layout, settings });
  const project = theatre.mysql ? await theatre.mysql.adopt(made) : made;
  if (theatre.mysql) await project.configure(settings);
  const temporary = join(project.cwd, 'tmp');
  await mkdir(temporary);
  const env = { ...project.env, TMPDIR: temporary };
  const options = { cwd: project.cwd, env, preload: ['small-pages.mjs'] as const };
  const stage: Stage = { sample, layout, project, options, failing: theatre.failing };

  const errors = (await scene.before?.(stage)) ?? 0;
  const killed = await runBinary(scene.command(stage), {
    ...options,
    env: { ...env, ES_MIGRATE_TEST_STOP_AT: `SIGKILL ${step} ${times}` },
    preload: ['small-pages.mjs', 'stop-at.mjs'],
  });
  await scene.after?.(stage);
  // As another host finds it once they have run out; this host can tell that the process is gone.
  if (layout === 'batch') await runOutLeases(project);
  const runAgain = () => runBinary(['run', ...sample.range, '--json'], options);
  let finished = await runAgain();
  const damage = damageOf(finished);
  if (scene.damages && finished.code === 3) {
    await runBinary(['verify', '--repair'], options);
    finished = await runAgain();
  }
  const whole = await compareAll(project, sample.expected, { layout, errors });
  return { killed, finished, damage, whole, leftovers: await readdir(temporary) };
}

/** Of the differences a verification finds, those that no killed process may leave behind. */
export interface Damage {
  readonly missing: number;
  readonly mismatched: number;
  readonly inconsistent: number;
  readonly foreign: number;
}

export const NO_DAMAGE: Damage = { missing: 0, mismatched: 0, inconsistent: 0, foreign: 0 };

function damageOf({ stdout, stderr }: Ended): Damage {
  if (stdout === '') throw new Error(`it ended without a result:\n${stderr}`);
  const { verify } = JSON.parse(stdout) as { verify: Damage | null };
  const { missing, mismatched, inconsistent, foreign } = verify ?? NO_DAMAGE;
  return { missing, mismatched, inconsistent, foreign };
}
