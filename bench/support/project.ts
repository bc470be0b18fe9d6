import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { scalarKeys } from '../../src/config/schema.js';
import { startOurs, type Measured, type RunningChild } from './child.js';
import { asAdministrator, RANGE, type Sample, type World } from './world.js';

/** Everything that bounds speed is off; what bounds memory is not. */
const UNLIMITED: Readonly<Record<string, number>> = Object.fromEntries(
  scalarKeys
    .filter(([section, key]) => section === 'limits' && key !== 'maxInFlightBytes')
    .map(([, key = '']) => [key, 0] as const),
);

export interface ProjectOptions {
  readonly sample: Sample;
  readonly layout?: 'message' | 'batch';
  /** Which of the related indices are joined; all unless `false`. */
  readonly related?: boolean;
  /** Instead of the sandbox's own. */
  readonly elasticsearchUrl?: string;
  readonly s3Endpoint?: string;
  /** Exit codes of our commands that are no failure; 0 unless given. */
  readonly codes?: readonly number[];
  /** More of es-migrate.yaml; sections replace those that are there. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A directory with es-migrate.yaml, a database and a bucket prefix of its own. */
export interface Project {
  readonly cwd: string;
  readonly database: string;
  readonly env: Readonly<Record<string, string>>;
  start(...args: readonly string[]): RunningChild;
  run(...args: readonly string[]): Promise<Measured>;
  /** `extract` of the sample's whole range. */
  extract(): Promise<Measured>;
  remove(): Promise<void>;
}

export async function makeProject(world: World, options: ProjectOptions): Promise<Project> {
  const { servers } = world;
  const { sample, related = true, layout = 'batch' } = options;
  const cwd = await mkdtemp(join(servers.dir, 'project-'));
  const database = `bench_${randomBytes(6).toString('hex')}`;
  const { mysql, s3, elasticsearch } = servers;
  await asAdministrator(servers, (connection) =>
    connection.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4`),
  );
  const join3 = (index: string) => ({ index, key: 'message_id', sort: 'at' });
  const { messages, history, status, audit } = sample.indices;
  const configuration = {
    source: {
      url: options.elasticsearchUrl ?? elasticsearch.url,
      index: messages,
      dateField: 'timestamp',
      ...(related && {
        related: { history: join3(history), status: join3(status), audit: join3(audit) },
      }),
    },
    tracking: { url: `mysql://${mysql.user}@${mysql.host}:${mysql.port}/${database}` },
    target: {
      url: `s3://${s3.bucket}/${database}`,
      region: s3.region,
      endpoint: options.s3Endpoint ?? s3.endpoint,
      forcePathStyle: true,
      layout,
    },
    limits: UNLIMITED,
    ...options.settings,
  };
  await writeFile(join(cwd, 'es-migrate.yaml'), stringify(configuration));
  const env = {
    ES_MIGRATE_TRACKING_PASSWORD: mysql.password,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
  };
  const start = (...args: readonly string[]) =>
    startOurs(args, { cwd, env, codes: options.codes ?? [0] }, world.options.profile);
  const run = (...args: readonly string[]) => start(...args).ended;
  return {
    cwd,
    database,
    env,
    start,
    run,
    extract: () => run('extract', '--from', RANGE.from, '--to', RANGE.to),
    remove: async () => {
      await asAdministrator(servers, (connection) => connection.query(`DROP DATABASE ${database}`));
      await rm(join(s3.dataDir, s3.bucket, database), { recursive: true, force: true });
      await rm(cwd, { recursive: true, force: true });
    },
  };
}
