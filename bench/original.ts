import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { idsInOrder } from './support/ids.js';
import { runWhole } from './support/whole-run.js';
import type { World } from './support/world.js';

const MESSAGES = 200_000;
/** Of them, what the original way is run on: its rate doesn't depend on how many follow. */
const PART = 2_000;
const PROCESSES = 4;

/** Extract and process with three related indices against a GET and three searches a message in four processes. */
export async function originalDesign(world: World): Promise<Outcome> {
  const { options, servers, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const file = await idsInOrder(world, sample, PART);
  const { theirs, ours } = await alternate(
    options.rounds,
    {
      theirs: async () => {
        const runs = Array.from({ length: PROCESSES }, (_, part) => {
          const args = [
            servers.elasticsearch.url,
            sample.prefix,
            file,
            String(part),
            String(PROCESSES),
          ];
          return runPeer<{ seconds: number; messages: number }>('original-way', { args });
        });
        const ended = await Promise.all(runs);
        const messages = ended.reduce((sum, run) => sum + run.messages, 0);
        return messages / Math.max(...ended.map(({ seconds }) => seconds));
      },
      ours: async () => sample.messages / (await runWhole(world, { sample })).seconds,
    },
    report,
  );
  return {
    findings: [
      {
        what: 'extract + process, 3 related indices, to S3, layout batch',
        unit: 'messages/s',
        ours,
        peer: {
          name: `a GET and three searches a message, ${PROCESSES} processes, nothing written`,
          values: theirs,
        },
        goal: { of: 'ratio', bound: 'at least', value: 20 },
      },
    ],
    notes: [
      `Ours: all ${sample.messages} messages. The original design's way: ${PART} of them, as a rate; ids known, documents joined and dropped.`,
    ],
  };
}
