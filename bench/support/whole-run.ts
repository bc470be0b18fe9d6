import { makeProject, type ProjectOptions } from './project.js';
import type { World } from './world.js';

/** `extract` and `process` of a sample, without their start-up. */
export interface WholeRun {
  readonly seconds: number;
  readonly extractSeconds: number;
  /** User and system, of both commands. */
  readonly cpuSeconds: number;
  /** Most resident memory of either. */
  readonly peakBytes: number;
}

/**
 * Runs the job once, on a database and a prefix of its own. Start-up is what the same two commands take where there is
 * nothing to do: `extract` of a range without messages before, `process` once more behind.
 */
export async function runWhole(world: World, options: ProjectOptions): Promise<WholeRun> {
  const project = await makeProject(world, options);
  try {
    await project.run('db', 'migrate');
    const nothingExtracted = await project.run(
      'extract',
      '--from',
      '2020-01-01',
      '--to',
      '2020-01-01',
    );
    const extracted = await project.extract();
    const processed = await project.run('process');
    const nothingProcessed = await project.run('process');
    const extractSeconds = extracted.seconds - nothingExtracted.seconds;
    return {
      seconds: extractSeconds + processed.seconds - nothingProcessed.seconds,
      extractSeconds,
      cpuSeconds:
        extracted.cpuSeconds +
        processed.cpuSeconds -
        nothingExtracted.cpuSeconds -
        nothingProcessed.cpuSeconds,
      peakBytes: Math.max(extracted.peakBytes, processed.peakBytes),
    };
  } finally {
    await project.remove();
  }
}
