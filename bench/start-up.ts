import { alternate } from './support/alternate.js';
import { runNode } from './support/child.js';
import type { Finding, Outcome } from './support/finding.js';
import { makeProject } from './support/project.js';
import type { World } from './support/world.js';

const MESSAGES = 10_000;
/** So many runs for one of another benchmark: they are short. */
const TIMES = 4;

/** How long `--help`, and `status` on a live database, take from the start of the process to its end. */
export async function startUp(world: World): Promise<Outcome> {
  const { options, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const project = await makeProject(world, { sample });
  try {
    await project.extract();
    await project.run('process', '--max-batches', '5');
    const took = await alternate(
      options.rounds * TIMES,
      {
        node: async () => (await runNode(['--eval', '0'], {})).seconds * 1000,
        help: async () => (await project.run('--help')).seconds * 1000,
        status: async () => (await project.run('status')).seconds * 1000,
      },
      report,
    );
    const finding = (what: string, ours: number[], value: number): Finding => ({
      what,
      unit: 'ms',
      ours,
      peer: { name: 'Node itself', values: took.node },
      goal: { of: 'ours', bound: 'at most', value },
    });
    return {
      findings: [
        finding('es-migrate --help', took.help, 150),
        finding('es-migrate status on a live database', took.status, 500),
      ],
      notes: [],
    };
  } finally {
    await project.remove();
  }
}
