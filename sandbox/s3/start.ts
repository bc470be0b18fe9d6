import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../ports.js';
import { startServer, type Started } from '../server.js';

export interface S3Coordinates {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Exists already. */
  readonly bucket: string;
  /** The directory whose folders are the buckets and whose files are the objects, byte for byte. */
  readonly dataDir: string;
}

const REGION = 'us-east-1';
const BUCKET = 'es-migrate';

/** Starts versitygw on files of its own; path-style addresses only. */
export function startS3(
  sandbox: string,
  program: string,
  stop: AbortSignal,
): Promise<Started<S3Coordinates>> {
  return startServer(
    sandbox,
    's3',
    async (home) => {
      const dataDir = join(home, 'data');
      const metadata = join(home, 'metadata');
      // To the posix backend a directory is a bucket.
      await mkdir(join(dataDir, BUCKET), { recursive: true });
      await mkdir(metadata);
      const [port] = (await freePorts(1)) as [number];
      const coordinates: S3Coordinates = {
        endpoint: `http://127.0.0.1:${port}`,
        region: REGION,
        accessKeyId: `AK${randomBytes(9).toString('hex').toUpperCase()}`,
        secretAccessKey: randomBytes(20).toString('hex'),
        bucket: BUCKET,
        dataDir,
      };
      // Nobody else answers at this path, so an answer can't come from a stranger on the same port.
      const health = `/health-${randomBytes(8).toString('hex')}`;
      return {
        command: program,
        args: [
          ...['--quiet', '--port', `127.0.0.1:${port}`, '--region', REGION, '--health', health],
          // Metadata in files: a temporary directory may lie where extended attributes don't work.
          ...['posix', '--sidecar', metadata, dataDir],
        ],
        env: {
          ROOT_ACCESS_KEY: coordinates.accessKeyId,
          ROOT_SECRET_KEY: coordinates.secretAccessKey,
        },
        ready: async () => (await fetch(coordinates.endpoint + health)).ok,
        coordinates,
      };
    },
    stop,
  );
}
