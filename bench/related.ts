import { alternate } from './support/alternate.js';
import { openElasticdump } from './support/elasticdump.js';
import type { Outcome } from './support/finding.js';
import { runWhole } from './support/whole-run.js';
import type { World } from './support/world.js';

const MESSAGES = 200_000;

/** Extract and process with three related indices to S3 in layout batch, against elasticdump of the same four indices, unjoined. */
export async function relatedIndices(world: World): Promise<Outcome> {
  const { options, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const elasticdump = await openElasticdump(world);
  const { theirs, ours } = await alternate(
    options.rounds,
    {
      theirs: () => elasticdump.dump(Object.values(sample.indices)),
      ours: () => runWhole(world, { sample }),
    },
    report,
  );
  const rate = ({ seconds }: { seconds: number }) => sample.messages / seconds;
  const peer = `elasticdump ${elasticdump.version} of the four indices to local files, unjoined`;
  return {
    findings: [
      {
        what: 'extract + process, 3 related indices, to S3, layout batch',
        unit: 'messages/s',
        ours: ours.map(rate),
        peer: { name: peer, values: theirs.map(rate) },
        goal: { of: 'ratio', bound: 'at least', value: 2 },
      },
    ],
    notes: [
      `${sample.messages} messages with ${sample.related} related records; start-up is taken off on both sides, elasticdump's once an index.`,
    ],
  };
}
