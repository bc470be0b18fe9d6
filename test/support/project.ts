import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { freshBucket, freshDatabase, sandbox, type FreshDatabase } from './sandbox.js';

export interface Project {
  /** Working directory with an es-migrate.yaml. */
  readonly cwd: string;
  readonly env: Record<string, string>;
  readonly database: FreshDatabase;
  /** Where the target's objects lie as files. */
  readonly objects: string;
  /** What the keys of the objects follow in `s3_path`, with a slash at the end. */
  readonly urlPrefix: string;
  /** Writes es-migrate.yaml again with other settings; sections are replaced key by key. */
  configure(changes: Record<string, unknown>): Promise<void>;
}

export interface ProjectOptions {
  /** Stands before the names of the sample's four indices. */
  readonly indices: string;
  readonly target?: 's3' | 'file';
  readonly layout?: 'message' | 'batch';
  readonly settings?: Record<string, unknown>;
}

/** A folder as a user would have it: configuration, secrets in the environment, database and target of its own. */
export async function makeProject({
  indices,
  target = 's3',
  layout = 'message',
  settings = {},
}: ProjectOptions): Promise<Project> {
  const { elasticsearch } = sandbox();
  const cwd = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  const database = await freshDatabase();
  const bucket = await freshBucket();
  const export_ = join(cwd, 'export');
  const urlPrefix = target === 's3' ? `s3://${bucket.bucket}/some/prefix/` : `file://${export_}/`;
  const related = (name: string) => ({
    index: `${indices}message_${name}`,
    key: 'message_id',
    sort: 'at',
  });
  const base: Record<string, unknown> = {
    source: {
      url: elasticsearch.url,
      index: `${indices}messages`,
      dateField: 'timestamp',
      related: { history: related('history'), status: related('status'), audit: related('audit') },
    },
    tracking: { url: database.url },
    target: {
      url: urlPrefix.slice(0, -1),
      layout,
      ...(target === 's3' && {
        region: bucket.region,
        endpoint: bucket.endpoint,
        forcePathStyle: true,
      }),
    },
    limits: { sourceRequestsPerSecond: 0 },
  };
  const configure = async (changes: Record<string, unknown>) => {
    const merged = { ...base };
    for (const [key, value] of Object.entries(changes)) {
      const before = merged[key];
      merged[key] = isSection(before) && isSection(value) ? { ...before, ...value } : value;
    }
    await writeFile(join(cwd, 'es-migrate.yaml'), stringify(merged));
  };
  await configure(settings);
  return {
    cwd,
    env: {
      ES_MIGRATE_TRACKING_PASSWORD: database.password,
      AWS_ACCESS_KEY_ID: bucket.accessKeyId,
      AWS_SECRET_ACCESS_KEY: bucket.secretAccessKey,
    },
    database,
    objects: target === 's3' ? join(bucket.directory, 'some/prefix') : export_,
    urlPrefix,
    configure,
  };
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
