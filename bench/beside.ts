import { setTimeout as delay } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2/promise';
import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { makeProject, type Project } from './support/project.js';
import { percentile } from './support/statistics.js';
import { asAdministrator, type Sample, type World } from './support/world.js';

const MESSAGES = 200_000;
/** Of the searches beside us: a fraction of what Elasticsearch could answer. */
const SEARCHES_PER_SECOND = 20;
const SECONDS = 15;
const POLL_MS = 100;
const SIGTERM = 143;

interface Beside {
  /** 95th percentile of the searches, in milliseconds. */
  readonly p95: number;
  /** What `process` did meanwhile. */
  readonly messagesPerSecond: number;
}

/** How long other people's searches take while `process` runs, with the default limits and without any. */
export async function besideOthers(world: World): Promise<Outcome> {
  const { options, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const { alone, limited, unlimited } = await alternate<'alone' | 'limited' | 'unlimited', Beside>(
    options.rounds,
    {
      alone: async () => ({ p95: await searchLoad(world, sample), messagesPerSecond: 0 }),
      limited: () => besideProcess(world, sample, { limits: undefined }),
      unlimited: () => besideProcess(world, sample, {}),
    },
    report,
  );
  const p95 = ({ p95 }: Beside) => p95;
  const rate = ({ messagesPerSecond }: Beside) => messagesPerSecond;
  const peer = { name: 'the same searches alone', values: alone.map(p95) };
  return {
    findings: [
      {
        what: '95th percentile of searches beside process with its default limits',
        unit: 'ms',
        ours: limited.map(p95),
        peer,
        goal: { of: 'ratio', bound: 'at most', value: 1.25 },
      },
      { what: 'the same without limits', unit: 'ms', ours: unlimited.map(p95), peer },
      {
        what: 'process with its default limits, beside the searches',
        unit: 'messages/s',
        ours: limited.map(rate),
        peer: { name: 'without limits', values: unlimited.map(rate) },
      },
    ],
    notes: [
      `${SEARCHES_PER_SECOND} searches a second for ${SECONDS} s (a match and a filter, sorted by date, 10 hits), sent whether or not earlier ones were answered.`,
    ],
  };
}

async function searchLoad({ servers }: World, sample: Sample): Promise<number> {
  const args = [
    servers.elasticsearch.url,
    sample.indices.messages,
    String(SEARCHES_PER_SECOND),
    String(SECONDS),
  ];
  const { tookMs } = await runPeer<{ tookMs: number[] }>('search-load', { args });
  return percentile(tookMs, 0.95);
}

/** Runs the searches once `process` is at work, then stops it. */
async function besideProcess(
  world: World,
  sample: Sample,
  settings: Record<string, unknown>,
): Promise<Beside> {
  const project = await makeProject(world, { sample, settings, codes: [0, SIGTERM] });
  try {
    await project.extract();
    const working = project.start('process');
    while ((await completed(world, project)) === 0) await delay(POLL_MS);
    const before = await completed(world, project);
    const began = performance.now();
    const p95 = await searchLoad(world, sample);
    const messages = (await completed(world, project)) - before;
    const seconds = (performance.now() - began) / 1000;
    working.stop();
    await working.ended;
    if (before + messages === sample.messages)
      throw new Error('process ended before the searches did: give it more --messages');
    return { p95, messagesPerSecond: messages / seconds };
  } finally {
    await project.remove();
  }
}

function completed(world: World, { database }: Project): Promise<number> {
  return asAdministrator(world.servers, async (connection) => {
    const [[row]] = await connection.query<RowDataPacket[]>(
      `SELECT COALESCE(SUM(processed), 0) AS messages FROM ${database}.batch_progress`,
    );
    return Number(row?.['messages']);
  });
}
