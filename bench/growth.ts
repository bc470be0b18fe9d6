import type { Finding, Outcome } from './support/finding.js';
import { runWhole, type WholeRun } from './support/whole-run.js';
import type { World } from './support/world.js';

const LEAST = 10_000;
const MOST = 1_000_000;
/** Rounds of the larger sizes: they last long enough to be steady. */
const MOST_ROUNDS = 3;

/** The whole job, messages only, at 10 thousand messages and ten times as many each, up to `--messages` (10 million by hand). */
export async function growth(world: World): Promise<Outcome> {
  const { options, report } = world;
  const findings: Finding[] = [];
  for (let messages = LEAST; messages <= (options.messages ?? MOST); messages *= 10) {
    const sample = await world.sample(messages, 'none');
    const runs: WholeRun[] = [];
    for (let round = 0; round <= Math.min(options.rounds, MOST_ROUNDS); round += 1) {
      const run = await runWhole(world, { sample, related: false });
      report(`${messages} messages: ${JSON.stringify(run)}`);
      if (round > 0 || messages > MOST) runs.push(run);
      if (messages > MOST) break;
    }
    const what = messages.toLocaleString('en-US');
    findings.push(
      {
        what: `${what} messages: time`,
        unit: 'µs/message',
        ours: runs.map(({ seconds }) => (seconds * 1e6) / messages),
      },
      {
        what: `${what} messages: CPU`,
        unit: 'µs/message',
        ours: runs.map(({ cpuSeconds }) => (cpuSeconds * 1e6) / messages),
      },
      {
        what: `${what} messages: memory`,
        unit: 'MiB',
        ours: runs.map(({ peakBytes }) => peakBytes / 2 ** 20),
      },
    );
  }
  return {
    findings,
    notes: ['Extract and process without start-up, messages only, to S3 in layout batch.'],
  };
}
