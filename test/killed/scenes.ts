import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expectedKey } from '../end-to-end/expected.js';
import { runBinary, type BinaryOptions, type Ended } from '../support/binary.js';
import { runOutLeases } from '../support/lease-audit.js';
import type { Project } from '../support/project.js';
import type { Sample } from './samples.js';

export type Layout = 'message' | 'batch';

/** What a scene finds. */
export interface Stage {
  readonly sample: Sample;
  readonly layout: Layout;
  readonly project: Project;
  /** What every run of the binary gets. */
  readonly options: BinaryOptions;
  /** Addresses of servers that fail: see `FAILING_UPLOADS`, `FAILING_READERS`. */
  readonly failing: { readonly s3: string; readonly elasticsearch: string };
}

/** How a process gets to the step it is killed at. */
export interface Scene {
  /** Which messages. */
  readonly sample: 'small' | 'large';
  readonly settings?: Record<string, unknown>;
  /** What happened before. Gives how many messages failed. */
  readonly before?: (stage: Stage) => Promise<number>;
  /** Whether it damages something itself, for a repair to be killed at. */
  readonly damages?: boolean;
  /** The command that is killed. */
  readonly command: (stage: Stage) => readonly string[];
  /** What is set right before the next start. */
  readonly after?: (stage: Stage) => Promise<void>;
}

/** Puts of documents; the marker is written. */
export const FAILING_UPLOADS = /^PUT .*\/(messages|batches)\//;
/** Points in time can't be opened; windows are counted. */
export const FAILING_READERS = /^POST .*\/_pit/;

const run = ({ sample }: Stage) => ['run', ...sample.range];

/** The whole job by one command. */
export const wholeJob: Scene = { sample: 'small', command: run };

/** The same with a message that is staged in a file and goes up in parts. */
export const largeMessage: Scene = {
  sample: 'large',
  settings: { limits: { sourceRequestsPerSecond: 0, maxInFlightBytes: '64MiB' } },
  command: run,
};

/** S3 is down: what was claimed is given back. */
export const uploadsFail: Scene = {
  sample: 'small',
  settings: { retryFor: '0s' },
  before: async ({ project, failing }) => {
    await project.configure({ target: { endpoint: failing.s3 }, retryFor: '0s' });
    return 0;
  },
  command: run,
  after: ({ project }) => project.configure(SETTINGS),
};

/** Elasticsearch is down half-way: the job's lease is given back. */
export const readersFail: Scene = {
  sample: 'small',
  before: async ({ project, failing }) => {
    await project.configure({ source: { url: failing.elasticsearch }, retryFor: '0s' });
    return 0;
  },
  command: run,
  after: ({ project }) => project.configure(SETTINGS),
};

/** A batch's object is up, and the process that wrote it dead. */
export const takeOver: Scene = {
  sample: 'small',
  before: async ({ options, sample, project }) => {
    await mustEnd(
      128 + 9,
      runBinary(['run', ...sample.range], {
        ...options,
        env: { ...options.env, ES_MIGRATE_TEST_STOP_AT: 'SIGKILL batch-uploaded 1' },
        preload: ['small-pages.mjs', 'stop-at.mjs'],
      }),
    );
    await runOutLeases(project);
    return 0;
  },
  command: run,
};

/** Some messages had failed and are put back. */
export const retryOfFailed: Scene = {
  sample: 'small',
  before: async (stage) => {
    const { options, sample, project, layout } = stage;
    await mustEnd(0, runBinary(['extract', ...sample.range], options));
    const blocked = blockedKeys(stage).map((key) => join(project.objects, key));
    for (const path of blocked) await mkdir(path, { recursive: true });
    await mustEnd(3, runBinary(['process', '--no-retry-failed'], options));
    for (const path of blocked) await rmdir(path);
    return layout === 'batch' ? BATCH_SIZE : blocked.length;
  },
  command: () => ['process'],
};

/** An object is lost: its messages are put back; in layout batch what is left beside it is removed then. */
export const repair: Scene = {
  sample: 'small',
  damages: true,
  before: async (stage) => {
    const { options, sample, project } = stage;
    await mustEnd(0, runBinary(['run', ...sample.range], options));
    const [lost = ''] = blockedKeys(stage);
    await rm(join(project.objects, lost));
    return 0;
  },
  command: () => ['verify', '--repair'],
};

export const BATCH_SIZE = 20;

/** Windows of 100 messages, pages of 20 (small-pages.mjs), batches of 20; leases that only run out when a test says so. */
export const SETTINGS = { batchSize: BATCH_SIZE, leaseSeconds: 300, concurrency: 2 };

/** Where a directory stands in the way of an object, so that the server will not take it however often it is asked. */
function blockedKeys({ layout, sample }: Stage): string[] {
  if (layout === 'batch') return ['batches/job-000001/batch-0000000002-0001.ndjson.gz'];
  return [...sample.expected.values()].slice(100, 103).map(({ id }) => expectedKey(id, 's3'));
}

async function mustEnd(code: number, ended: Promise<Ended>): Promise<void> {
  const end = await ended;
  if (end.code !== code) throw new Error(`ended with ${end.code}, not ${code}:\n${end.stderr}`);
}
