import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { startPeer } from './support/server.js';
import type { World } from './support/world.js';

const OBJECTS = 5_000;
const OBJECT_BYTES = 1024;
const AT_ONCE = 64;

interface Puts {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly objects: number;
}

/** Why single objects are put without the SDK's middleware: our target's `put` against the SDK's PutObject. */
export async function uploads(world: World): Promise<Outcome> {
  const { options, report } = world;
  const s3 = await startPeer('null-s3');
  try {
    const count = options.messages ?? OBJECTS;
    const args = [s3.url, String(count), String(OBJECT_BYTES), String(AT_ONCE)];
    const env = { AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' };
    const { ours, sdk } = await alternate(
      options.rounds,
      {
        ours: () => runPeer<Puts>('our-puts', { args, env }),
        sdk: () => runPeer<Puts>('sdk-puts', { args, env }),
      },
      report,
    );
    const rate = ({ objects, seconds }: Puts) => objects / seconds;
    const cpu = ({ objects, cpuSeconds }: Puts) => (cpuSeconds * 1e6) / objects;
    const name = "the AWS SDK's PutObject";
    return {
      findings: [
        {
          what: `PUTs of ${OBJECT_BYTES} bytes, ${AT_ONCE} at once`,
          unit: 'objects/s',
          ours: ours.map(rate),
          peer: { name, values: sdk.map(rate) },
        },
        {
          what: 'CPU of the client',
          unit: 'µs/object',
          ours: ours.map(cpu),
          peer: { name, values: sdk.map(cpu) },
        },
      ],
      notes: [`${count} objects, to a server on the same CPU that drops what it gets.`],
    };
  } finally {
    await s3.stop();
  }
}
