import { setTimeout as delay } from 'node:timers/promises';
import { status } from '../src/core/status/status.js';
import { alternate } from './support/alternate.js';
import type { Finding, Outcome } from './support/finding.js';
import { percentile } from './support/statistics.js';
import { openTables, type Tables } from './support/tables.js';
import { REDO_LOG, type World } from './support/world.js';

const LEAST = 1_000_000;
const MOST = 10_000_000;
const INSERTED = 100_000;
/** Batches claimed and completed a round, one after the other. */
const BATCHES = 100;
const CLAIMERS = 16;
const CLAIMS_EACH = 10;
/** Between two claims of one claimer, on average: 16 of them then carry 8,000 messages a second. */
const PAUSE_MS = 1000;

/** What a round measured. */
interface Round {
  readonly insertedPerSecond: number;
  readonly claimedPerSecond: number;
  readonly completedPerSecond: number;
  /** 99th percentile, claimers claiming at random moments. */
  readonly slowestClaimsMs: number;
  /** The same where none of them pauses: each waits for the others. */
  readonly slowestWithoutPauseMs: number;
  readonly statusMs: number;
}

/** Insert, claim, complete and `status` with 1 million rows in the tables and with ten times as many (50 million by hand). */
export async function trackingTables(world: World): Promise<Outcome> {
  const { options, report } = world;
  const size = options.messages ?? MOST;
  const small = await filled(world, LEAST);
  const large = await filled(world, size);
  try {
    const { base, ours } = await alternate(
      options.rounds,
      { base: () => measure(small), ours: () => measure(large) },
      report,
    );
    const count = size.toLocaleString('en-US');
    const against = (what: string, unit: string, pick: (round: Round) => number): Finding => ({
      what: `${what}, ${count} rows`,
      unit,
      ours: ours.map(pick),
      peer: { name: `${LEAST.toLocaleString('en-US')} rows`, values: base.map(pick) },
      goal: { of: 'ratio', bound: 'at least', value: 0.8 },
    });
    const below = (what: string, value: number, pick: (round: Round) => number): Finding => ({
      what: `${what}, ${count} rows`,
      unit: 'ms',
      ours: ours.map(pick),
      peer: { name: `${LEAST.toLocaleString('en-US')} rows`, values: base.map(pick) },
      goal: { of: 'ours', bound: 'at most', value },
    });
    return {
      findings: [
        against('insert', 'rows/s', (round) => round.insertedPerSecond),
        against('claim batches of 500', 'rows/s', (round) => round.claimedPerSecond),
        against('complete batches of 500', 'rows/s', (round) => round.completedPerSecond),
        below(
          `99th percentile of a claim, ${CLAIMERS} claimers with ${PAUSE_MS} ms between claims`,
          20,
          (round) => round.slowestClaimsMs,
        ),
        {
          what: `the same, none of them pausing, ${count} rows`,
          unit: 'ms',
          ours: ours.map((round) => round.slowestWithoutPauseMs),
          peer: {
            name: `${LEAST.toLocaleString('en-US')} rows`,
            values: base.map((round) => round.slowestWithoutPauseMs),
          },
        },
        below('status', 100, (round) => round.statusMs),
      ],
      notes: [
        `The database has a buffer pool of ${options.bufferPool / 1024} GiB and a redo log of ${REDO_LOG / 1024} GiB; the same statements as the commands use, called directly.`,
      ],
    };
  } finally {
    await small.drop();
    await large.drop();
  }
}

async function filled(world: World, rows: number): Promise<Tables> {
  const tables = await openTables(world);
  const began = performance.now();
  await tables.insert(rows);
  world.report(`${rows} rows inserted in ${Math.round((performance.now() - began) / 1000)} s`);
  return tables;
}

async function measure(tables: Tables): Promise<Round> {
  const inserting = await timed(() => tables.insert(INSERTED));
  const rows = BATCHES * 500;
  const batches: Awaited<ReturnType<Tables['claim']>>[] = [];
  const claiming = await timed(async () => {
    for (let n = 0; n < BATCHES; n += 1) batches.push(await tables.claim());
  });
  const completing = await timed(async () => {
    for (const batch of batches) await tables.complete(batch);
  });
  return {
    insertedPerSecond: INSERTED / inserting,
    claimedPerSecond: rows / claiming,
    completedPerSecond: rows / completing,
    slowestClaimsMs: percentile(await claimTogether(tables, PAUSE_MS), 0.99),
    slowestWithoutPauseMs: percentile(await claimTogether(tables, 0), 0.99),
    statusMs: 1000 * (await timed(() => statusOnce(tables))),
  };
}

/** How long each claim took, in milliseconds, while others claim and complete; `pauseMs` on average between two. */
async function claimTogether(tables: Tables, pauseMs: number): Promise<number[]> {
  const took: number[] = [];
  const claimer = async () => {
    for (let n = 0; n < CLAIMS_EACH; n += 1) {
      await delay(Math.random() * 2 * pauseMs);
      const began = performance.now();
      const batch = await tables.claim();
      took.push(performance.now() - began);
      await tables.complete(batch);
    }
  };
  await Promise.all(Array.from({ length: CLAIMERS }, claimer));
  return took;
}

/** The report behind `es-migrate status`, on connections that are open already. */
async function statusOnce({ database }: Tables): Promise<void> {
  const run = {} as Parameters<typeof status>[0];
  await status(run, { database } as Parameters<typeof status>[1], {});
}

/** Seconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}
