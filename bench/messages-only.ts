import { alternate } from './support/alternate.js';
import { openElasticdump } from './support/elasticdump.js';
import type { Outcome } from './support/finding.js';
import { runWhole } from './support/whole-run.js';
import type { World } from './support/world.js';

const MESSAGES = 200_000;

/** Extract and process, messages alone, to S3 in layout batch, against elasticdump of the same index to a local file. */
export async function messagesOnly(world: World): Promise<Outcome> {
  const { options, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const elasticdump = await openElasticdump(world);
  const { theirs, ours } = await alternate(
    options.rounds,
    {
      theirs: async () => ({
        ...(await elasticdump.dump([sample.indices.messages])),
        extractSeconds: 0,
      }),
      ours: () => runWhole(world, { sample, related: false }),
    },
    report,
  );
  const peer = `elasticdump ${elasticdump.version} to a local file`;
  const rate = ({ seconds }: { seconds: number }) => sample.messages / seconds;
  const cpu = ({ cpuSeconds }: { cpuSeconds: number }) => (cpuSeconds * 1e6) / sample.messages;
  const memory = ({ peakBytes }: { peakBytes: number }) => peakBytes / 2 ** 20;
  return {
    findings: [
      {
        what: 'extract + process, messages only, to S3, layout batch',
        unit: 'messages/s',
        ours: ours.map(rate),
        peer: { name: peer, values: theirs.map(rate) },
        goal: { of: 'ratio', bound: 'at least', value: 0.75 },
      },
      {
        what: 'of which extract',
        unit: 'messages/s',
        ours: ours.map(({ extractSeconds }) => sample.messages / extractSeconds),
      },
      {
        what: 'of which process',
        unit: 'messages/s',
        ours: ours.map(
          ({ seconds, extractSeconds }) => sample.messages / (seconds - extractSeconds),
        ),
      },
      {
        what: 'CPU of our own processes, compression included',
        unit: 'µs/message',
        ours: ours.map(cpu),
        peer: { name: peer, values: theirs.map(cpu) },
        goal: { of: 'ratio', bound: 'at most', value: 0.6 },
      },
      {
        what: 'most memory',
        unit: 'MiB',
        ours: ours.map(memory),
        peer: { name: peer, values: theirs.map(memory) },
      },
    ],
    notes: [
      `${sample.messages} messages. Start-up is taken off on both sides: what the same command takes where there is nothing to do.`,
    ],
  };
}
