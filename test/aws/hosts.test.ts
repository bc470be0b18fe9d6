import { randomInt } from 'node:crypto';
import type { RowDataPacket } from 'mysql2/promise';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../sandbox/sample/random.js';
import { query } from '../end-to-end/landed.js';
import { loadSmall, type Sample } from '../killed/samples.js';
import { sandboxCredentials } from '../objects/s3.js';
import { freshQueue } from '../queue/queues.js';
import { runBinary } from '../support/binary.js';
import { handOvers } from '../support/lease-audit.js';
import type { Project } from '../support/project.js';
import { compareAll } from '../support/whole.js';
import { projectOf } from './granted.js';
import { host } from './hosts.js';
import { summarise } from './summary.js';

const MESSAGES = 10_000;
const SEED = Number(process.env['ES_MIGRATE_TEST_SEED'] ?? randomInt(1, 1_000_000));
/** Slow enough that hosts are drained while they work. */
const SETTINGS = {
  ...{ batchSize: 25, concurrency: 4, leaseSeconds: 60, startDate: '2024-10-01' },
  limits: { sourceRequestsPerSecond: 25, sourceLoad: 0 },
};

let sample: Sample;
beforeAll(async () => {
  sample = await loadSmall(MESSAGES);
});
beforeEach(sandboxCredentials);

/** Nothing is left to be carried. */
async function isDone(project: Project): Promise<boolean> {
  const [row] = await query<RowDataPacket & { open: number }>(
    project,
    `SELECT COUNT(*) AS open FROM batch_progress WHERE status IN ('pending', 'in_progress')`,
  );
  return row?.open === 0;
}

test.each([
  ['MySQL', [], 'all'],
  ['a queue', ['--queue'], 'all'],
  ['MySQL, granted the least', [], 'least'],
] as const)(
  'two hosts that are drained all the time carry every message once; batches come from %s',
  async (from, flags, grants) => {
    const queue = flags.length > 0 ? await freshQueue({ maxReceives: 5 }) : undefined;
    const ofQueue = queue && { queue: { url: queue.url, region: queue.region } };
    const project = await projectOf(sample, { ...SETTINGS, ...ofQueue }, grants);
    const startedAt = performance.now();
    const extracted = await runBinary(['extract'], project);
    expect(extracted.code, extracted.stderr).toBe(0);
    const random = seededRandom(SEED);
    const ended = () => isDone(project);
    const drained = await Promise.all([
      host(project, flags, random, ended),
      host(project, flags, random, ended),
    ]);
    const seconds = Math.round((performance.now() - startedAt) / 1000);
    const drains = drained.flatMap(({ codes }) => codes).length;
    const working = drained.reduce((sum, host) => sum + host.working, 0);
    const verified = await runBinary(['verify', '--level', 'content', '--json'], project);
    const { takeovers, stolen } = await handOvers(project);
    await summarise({
      ...{ by: 'two hosts', from, grants, messages: MESSAGES, seed: SEED, seconds },
      ...{ drains, working, takeovers, stolen },
    });
    expect(drained.map(({ left }) => left)).toEqual([0, 0]);
    expect({ takeovers, stolen }).toEqual({ takeovers: 0, stolen: 0 });
    expect(JSON.parse(verified.stdout)).toMatchObject({ checked: MESSAGES, ok: true });
    const whole = await compareAll(project, sample.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
    // Or it was no trial.
    expect(working).toBeGreaterThan(1);
  },
);
