import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { startPeer } from './support/server.js';
import { runProcess, type Took } from './support/whole-run.js';
import type { World } from './support/world.js';

const MESSAGES = 50_000;
/** Objects by the SDK a round: some seconds. */
const SDK_OBJECTS = 5_000;
/** About a message without its records. */
const OBJECT_BYTES = 1024;
const AT_ONCE = 64;

/** `process` in layout message to an S3 that answers at once, against PUTs by the AWS SDK to the same. */
export async function singleObjects(world: World): Promise<Outcome> {
  const { options, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const s3 = await startPeer('null-s3');
  try {
    const { ours, sdk } = await alternate<'ours' | 'sdk', Took>(
      options.rounds,
      {
        sdk: async () => {
          const args = [s3.url, String(SDK_OBJECTS), String(OBJECT_BYTES), String(AT_ONCE)];
          const env = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
          return runPeer<Took>('sdk-puts', { args, env });
        },
        ours: () =>
          runProcess(world, { sample, related: false, layout: 'message', s3Endpoint: s3.url }),
      },
      report,
    );
    const name = `PUTs of ${OBJECT_BYTES} bytes by the AWS SDK alone, ${AT_ONCE} at once`;
    const rate = (count: number) => (work: Took) => count / work.seconds;
    const cpu = (count: number) => (work: Took) => (work.cpuSeconds * 1e6) / count;
    return {
      findings: [
        {
          what: 'process, layout message, S3 answering at once',
          unit: 'messages/s',
          ours: ours.map(rate(sample.messages)),
          peer: { name, values: sdk.map(rate(SDK_OBJECTS)) },
          goal: { of: 'ratio', bound: 'at least', value: 5 },
        },
        {
          what: 'CPU of our process, all of its work',
          unit: 'µs/message',
          ours: ours.map(cpu(sample.messages)),
          peer: { name, values: sdk.map(cpu(SDK_OBJECTS)) },
        },
      ],
      notes: [
        `${sample.messages} messages without related records, reading and tracking included; ${SDK_OBJECTS} objects by the SDK. The S3 is a process of ours on the same CPU that drops what it gets.`,
      ],
    };
  } finally {
    await s3.stop();
  }
}
