import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../../sandbox/sample/random.js';
import { query } from '../end-to-end/landed.js';
import type { Sample } from '../killed/samples.js';
import { runBinary } from '../support/binary.js';
import { auditLeases, handOvers, type HandOvers } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { compareAll, type Whole } from '../support/whole.js';
import { STARTING, Worker } from './workers.js';

export interface SoakOptions {
  readonly layout: 'message' | 'batch';
  /** Workers that wait for work (`process --watch`) instead of ending when there is none. */
  readonly watch: boolean;
  readonly seed: number;
}

export interface SoakResult {
  readonly seconds: number;
  /** By the last step the killed process had reached. */
  readonly kills: ReadonlyMap<string, number>;
  readonly starts: number;
  readonly handOvers: HandOvers;
  readonly whole: Whole;
  /** What processes said that ended as none should. */
  readonly complaints: readonly string[];
  /** What `verify --level content --json` found. */
  readonly verified: { readonly missing: number; readonly mismatched: number };
}

const SETTINGS = { batchSize: 100, concurrency: 2, leaseSeconds: 2 };
/** Between two kills, in milliseconds. */
const SHORTEST = 500;
const LONGEST = 1500;

/** Three `process` and one `extract` on one database, one of them killed about every second, until all is migrated. */
export async function soak(sample: Sample, options: SoakOptions): Promise<SoakResult> {
  const { layout, watch, seed } = options;
  const project = await makeProject({ indices: sample.indices, layout, settings: SETTINGS });
  const migrated = await runBinary(['db', 'migrate'], project);
  if (migrated.code !== 0) throw new Error(migrated.stderr);
  await auditLeases(project);

  const startedAt = performance.now();
  const extract = new Worker(
    { ...project, env: { ...project.env, ES_MIGRATE_TEST_PAGE: '200' } },
    'extract',
    { args: ['extract', ...sample.range], preload: ['small-pages.mjs'] },
    (code) => code === 0,
  );
  const args = watch ? ['process', '--watch'] : ['process'];
  const processes = [1, 2, 3].map(
    (number) => new Worker(project, `process-${number}`, { args }, () => false),
  );
  const all = [extract, ...processes] as const;
  let isExtracted = false;
  void extract.ended.then(() => (isExtracted = true));

  const random = seededRandom(seed);
  const kills = new Map<string, number>();
  const isOver = async () => isExtracted && (await query(project, UNFINISHED)).length === 0;
  while (!(await isOver())) {
    await sleep(random.between(SHORTEST, LONGEST));
    const victim = random.oneOf(all);
    // Hardly ever while it starts: on a slow machine nobody would get any further.
    const isSpared = victim.lastStep === STARTING && random.between(1, 10) > 1;
    const step = isSpared ? undefined : await victim.kill();
    if (step !== undefined) kills.set(step, (kills.get(step) ?? 0) + 1);
  }
  await Promise.all(processes.map((worker) => worker.stop(watch ? 'SIGTERM' : undefined)));
  const seconds = Math.round((performance.now() - startedAt) / 1000);

  const verified = await runBinary(['verify', '--level', 'content', '--json'], project);
  return {
    seconds,
    kills,
    starts: all.reduce((sum, { starts }) => sum + starts, 0),
    handOvers: await handOvers(project),
    whole: await compareAll(project, sample.expected, { layout }),
    complaints: all.flatMap(({ complaints }) => complaints),
    verified: JSON.parse(verified.stdout) as SoakResult['verified'],
  };
}

const UNFINISHED =
  "SELECT 1 FROM batch_progress WHERE status IN ('pending', 'in_progress') LIMIT 1";
