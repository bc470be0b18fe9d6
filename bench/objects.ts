import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { makeProject } from './support/project.js';
import { startPeer } from './support/server.js';
import type { Sample, World } from './support/world.js';

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
    const rates = await alternate(
      options.rounds,
      {
        sdk: async () => {
          const args = [s3.url, String(SDK_OBJECTS), String(OBJECT_BYTES), String(AT_ONCE)];
          const env = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
          const { objects, seconds } = await runPeer<{ objects: number; seconds: number }>(
            'sdk-puts',
            { args, env },
          );
          return objects / seconds;
        },
        ours: () => processOnce(world, sample, s3.url),
      },
      report,
    );
    return {
      findings: [
        {
          what: 'process, layout message, S3 answering at once',
          unit: 'messages/s',
          ours: rates.ours,
          peer: {
            name: `PUTs of ${OBJECT_BYTES} bytes by the AWS SDK alone, ${AT_ONCE} at once`,
            values: rates.sdk,
          },
          goal: { of: 'ratio', bound: 'at least', value: 5 },
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

async function processOnce(world: World, sample: Sample, s3Endpoint: string): Promise<number> {
  const project = await makeProject(world, {
    sample,
    related: false,
    layout: 'message',
    s3Endpoint,
  });
  try {
    await project.extract();
    const whole = await project.run('process');
    const startUp = await project.run('process');
    return sample.messages / (whole.seconds - startUp.seconds);
  } finally {
    await project.remove();
  }
}
