import { randomInt } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadSmall, type Sample } from '../killed/samples.js';
import { soak } from './soak.js';

const MESSAGES = 20_000;
/** Repeats a run's kills, as far as the machine lets it. */
const SEED = Number(process.env['ES_MIGRATE_TEST_SEED'] ?? randomInt(1, 1_000_000));
let sample: Sample;

beforeAll(async () => {
  sample = await loadSmall(MESSAGES);
});

describe('three process and one extract, killed about every second', () => {
  it.each([
    { layout: 'message', watch: false },
    { layout: 'batch', watch: false },
    { layout: 'batch', watch: true },
  ] as const)('layout $layout, --watch $watch', async ({ layout, watch }) => {
    console.log(`seed ${SEED}`);
    const result = await soak(sample, { layout, watch, seed: SEED });
    const { seconds, kills, starts, handOvers, whole, complaints, verified } = result;
    const byStep = Object.fromEntries([...kills].sort(([, a], [, b]) => b - a));
    console.log(
      JSON.stringify({
        soak: { layout, watch, seed: SEED, messages: MESSAGES },
        seconds,
        starts,
        kills: [...kills.values()].reduce((sum, count) => sum + count, 0),
        killsByLastStep: byStep,
        batches: whole.batches,
        ...handOvers,
        claimsBeyondTheFirst: whole.takeovers,
        orphans: whole.orphans.length,
        wrong: whole.wrong.length,
      }),
    );
    expect(complaints).toEqual([]);
    expect(whole.wrong).toEqual([]);
    expect(handOvers.stolen).toBe(0);
    expect(kills.size).toBeGreaterThan(3);
    expect(handOvers.takeovers).toBeGreaterThan(0);
    expect(verified).toMatchObject({ missing: 0, mismatched: 0 });
  });
});
