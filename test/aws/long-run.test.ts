import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { loadSmall, type Sample } from '../killed/samples.js';
import { bundled, type Deployment } from '../lambda/deployed.js';
import { sandboxCredentials } from '../objects/s3.js';
import { longRun } from './long-run.js';
import { summarise } from './summary.js';

const MESSAGES = 10_000;
/** Repeats a run's kills, as far as the machine lets it. */
const SEED = Number(process.env['ES_MIGRATE_TEST_SEED'] ?? randomInt(1, 1_000_000));

let sample: Sample;
let deployment: Deployment;
beforeAll(async () => {
  [sample, deployment] = await Promise.all([loadSmall(MESSAGES), bundled()]);
});
afterAll(() => deployment.remove());
beforeEach(sandboxCredentials);

test.each([
  ['that are granted everything', 'all'],
  ['that are granted the least', 'least'],
] as const)(
  'schedule, queue and functions %s carry every message once, killed about every second',
  async (_, grants) => {
    console.log(`seed ${SEED}`);
    const result = await longRun(sample, deployment, SEED, grants);
    const { whole, verified, deadLetters, complaints, poisoned, odd, ...figures } = result;
    await summarise({
      ...{ by: 'functions', grants, messages: MESSAGES, seed: SEED, ...figures },
      ...{ batches: whole.batches, poisoned, deadLetters: deadLetters.length },
    });
    expect(whole.wrong).toEqual([]);
    expect(verified).toMatchObject({ checked: MESSAGES, missing: 0, mismatched: 0, ok: true });
    expect(result.left).toBe(0);
    expect(result.handOvers.stolen).toBe(0);
    expect(complaints).toEqual([]);
    expect(odd).toEqual([]);
    // What a batch that kills comes to, and that others share its fate seldom.
    expect(poisoned).toContain(7);
    // It has four tries, some of which a random kill may have ended.
    expect(result.poisonKills).toBeGreaterThan(0);
    expect(result.poisonKills).toBeLessThanOrEqual(4);
    expect(deadLetters.length).toBeGreaterThanOrEqual(poisoned.length);
    expect(reasonsOf(deadLetters)).toContainEqual(
      expect.stringMatching(/^batch 7 was tried 4 times/),
    );
    expect(result.putBack).toBe(25 * poisoned.length);
    // Or it was no trial.
    expect(result.kills).toBeGreaterThan(result.poisonKills);
    expect(result.redeliveries).toBeGreaterThan(0);
  },
);

function reasonsOf(deadLetters: Awaited<ReturnType<typeof longRun>>['deadLetters']) {
  return deadLetters.map(({ MessageAttributes }) => MessageAttributes?.['reason']?.StringValue);
}
