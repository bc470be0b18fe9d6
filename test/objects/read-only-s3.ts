import { mkdir, rm, writeFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareS3 } from '../../sandbox/s3/prepare.js';
import { freePorts } from '../../sandbox/ports.js';
import { startServer } from '../../sandbox/server.js';

export interface ReadOnlyS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The bucket's files. */
  readonly directory: string;
  /** Puts an object there behind the server's back. */
  write(key: string, text: string): Promise<void>;
  stop(): Promise<void>;
}

/** The sandbox's S3 server once more, told to refuse every write. */
export async function startReadOnlyS3(): Promise<ReadOnlyS3> {
  const program = await prepareS3(() => undefined);
  const parent = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  const { coordinates, process } = await startServer(parent, 'read-only-s3', async (home) => {
    const bucket = 'read-only';
    const directory = join(home, 'data', bucket);
    await mkdir(directory, { recursive: true });
    await mkdir(join(home, 'metadata'));
    const [port] = (await freePorts(1)) as [number];
    const endpoint = `http://127.0.0.1:${port}`;
    const coordinates = {
      ...{ endpoint, bucket, directory },
      accessKeyId: 'AKREADONLY',
      secretAccessKey: 'read-only-secret',
    };
    return {
      command: program,
      args: [
        ...['--quiet', '--port', `127.0.0.1:${port}`, '--region', 'us-east-1', '--readonly'],
        ...['--health', '/health', 'posix', '--sidecar', join(home, 'metadata')],
        join(home, 'data'),
      ],
      env: {
        ROOT_ACCESS_KEY: coordinates.accessKeyId,
        ROOT_SECRET_KEY: coordinates.secretAccessKey,
      },
      ready: async () => (await fetch(`${endpoint}/health`)).ok,
      coordinates,
    };
  });
  return {
    ...coordinates,
    write: (key, text) => writeFile(join(coordinates.directory, key), text),
    stop: async () => {
      await process.stop();
      await rm(parent, { recursive: true, force: true });
    },
  };
}
