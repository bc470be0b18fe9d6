import type { Measured } from './child.js';
import { makeProject, type ProjectOptions } from './project.js';
import type { World } from './world.js';

/** What a command, or several of them, took without their start-up. */
export interface Took {
  readonly seconds: number;
  /** User and system. */
  readonly cpuSeconds: number;
}

export interface Work extends Took {
  /** Most resident memory, start-up included. */
  readonly peakBytes: number;
}

export interface WholeRun extends Work {
  readonly extractSeconds: number;
}

/**
 * `extract` and `process` of a sample, on a database and a prefix of their own. Start-up is what the same two commands
 * take where there is nothing to do: `extract` of a range without messages before, `process` once more behind.
 */
export async function runWhole(world: World, options: ProjectOptions): Promise<WholeRun> {
  const project = await makeProject(world, options);
  try {
    await project.run('db', 'migrate');
    const empty = ['--from', '2020-01-01', '--to', '2020-01-01'];
    const nothingExtracted = await project.run('extract', ...empty);
    const extracted = without(nothingExtracted, await project.extract());
    const whole = await project.run('process');
    const processed = without(await project.run('process'), whole);
    return {
      seconds: extracted.seconds + processed.seconds,
      extractSeconds: extracted.seconds,
      cpuSeconds: extracted.cpuSeconds + processed.cpuSeconds,
      peakBytes: Math.max(extracted.peakBytes, processed.peakBytes),
    };
  } finally {
    await project.remove();
  }
}

/** `process` alone, of a sample extracted before; its start-up as in `runWhole`. */
export async function runProcess(
  world: World,
  options: ProjectOptions,
  flags: readonly string[] = [],
): Promise<Work> {
  const project = await makeProject(world, options);
  try {
    await project.extract();
    const whole = await project.run('process', ...flags);
    return without(await project.run('process', ...flags), whole);
  } finally {
    await project.remove();
  }
}

function without(startUp: Measured, whole: Measured): Work {
  return {
    seconds: whole.seconds - startUp.seconds,
    cpuSeconds: whole.cpuSeconds - startUp.cpuSeconds,
    peakBytes: whole.peakBytes,
  };
}
