import type { Finding, Outcome, Series } from './support/finding.js';
import { median } from './support/statistics.js';
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
  const time: [number, number][] = [];
  const cpu: [number, number][] = [];
  const memory: [number, number][] = [];
  for (let messages = LEAST; messages <= (options.messages ?? MOST); messages *= 10) {
    const sample = await world.sample(messages, 'none');
    const runs: WholeRun[] = [];
    for (let round = 0; round <= Math.min(options.rounds, MOST_ROUNDS); round += 1) {
      const run = await runWhole(world, { sample, related: false });
      report(`${messages} messages: ${JSON.stringify(run)}`);
      if (round > 0 || messages > MOST) runs.push(run);
      if (messages > MOST) break;
    }
    const of = (pick: (run: WholeRun) => number) => runs.map(pick);
    const times = of(({ seconds }) => (seconds * 1e6) / messages);
    const cpus = of(({ cpuSeconds }) => (cpuSeconds * 1e6) / messages);
    const peaks = of(({ peakBytes }) => peakBytes / 2 ** 20);
    const what = messages.toLocaleString('en-US');
    findings.push(
      { what: `${what} messages: time`, unit: 'µs/message', ours: times },
      { what: `${what} messages: CPU of our processes`, unit: 'µs/message', ours: cpus },
      { what: `${what} messages: most memory`, unit: 'MiB', ours: peaks },
    );
    time.push([messages, median(times)]);
    cpu.push([messages, median(cpus)]);
    memory.push([messages, median(peaks)]);
  }
  const series: Series[] = [
    { name: 'time', unit: 'µs/message', points: time },
    { name: 'CPU of our processes', unit: 'µs/message', points: cpu },
    { name: 'most memory', unit: 'MiB', points: memory },
  ];
  return {
    findings,
    notes: ['Extract and process without start-up, messages only, to S3 in layout batch.'],
    series,
  };
}
