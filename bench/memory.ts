import { loadLargeMessages, loadLongLists } from './support/heavy-samples.js';
import type { Finding, Outcome } from './support/finding.js';
import { makeProject } from './support/project.js';
import type { Sample, World } from './support/world.js';

const MESSAGES = 20_000;
const TIMES_MORE = 10;
const MOST_ROUNDS = 3;
const MIB = 2 ** 20;
/** The default of limits.maxInFlightBytes, and what Node, its libraries and connections may add. */
const LIMIT_MIB = 256 + 150;
const LARGE = { messages: 8, bytes: 50 * MIB };
const LONG = { messages: 8, records: 25_000 };

/** Most resident memory of our processes: at ten times the messages, with documents of 50 MB, with lists of 25,000 records. */
export async function memory(world: World): Promise<Outcome> {
  const { options, servers, report } = world;
  const { url } = servers.elasticsearch;
  const few = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const many = await world.sample(few.messages * TIMES_MORE, 'realistic');
  const large = await world.loading(() => loadLargeMessages(url, LARGE.messages, LARGE.bytes));
  const long = await world.loading(() => loadLongLists(url, LONG.messages, LONG.records));
  const peaks: Record<'few' | 'many' | 'large' | 'long', Peak[]> = {
    few: [],
    many: [],
    large: [],
    long: [],
  };
  for (let round = 0; round < Math.min(options.rounds, MOST_ROUNDS); round += 1) {
    for (const [name, sample] of Object.entries({ few, many, large, long })) {
      const peak = await peakOf(world, sample);
      report(`round ${round + 1}: ${name} ${JSON.stringify(peak)}`);
      peaks[name as keyof typeof peaks].push(peak);
    }
  }
  const count = (sample: Sample) => sample.messages.toLocaleString('en-US');
  const atTenTimes = (command: 'extract' | 'process'): Finding[] => {
    const ours = peaks.many.map((peak) => peak[command]);
    const what = `most memory of ${command}, ${count(many)} messages`;
    const peer = { name: `${count(few)} messages`, values: peaks.few.map((peak) => peak[command]) };
    return [
      { what, unit: 'MiB', ours, peer, goal: { of: 'ratio', bound: 'at most', value: 1.1 } },
      { what, unit: 'MiB', ours, goal: { of: 'ours', bound: 'at most', value: 200 } },
    ];
  };
  const bounded = (what: string, of: readonly Peak[]): Finding => ({
    what: `most memory of process, ${what}`,
    unit: 'MiB',
    ours: of.map((peak) => peak.process),
    goal: { of: 'ours', bound: 'at most', value: LIMIT_MIB },
  });
  return {
    findings: [
      ...atTenTimes('extract'),
      ...atTenTimes('process'),
      bounded(`${LARGE.messages} documents of 50 MiB`, peaks.large),
      bounded(
        `${LONG.messages} messages with ${LONG.records.toLocaleString('en-US')} records each`,
        peaks.long,
      ),
    ],
    notes: [
      'VmHWM of the process (Linux); layout batch, 3 related indices, limits.maxInFlightBytes at its default of 256 MiB.',
    ],
  };
}

/** In MiB. */
interface Peak {
  readonly extract: number;
  readonly process: number;
}

async function peakOf(world: World, sample: Sample): Promise<Peak> {
  const project = await makeProject(world, { sample });
  try {
    const extracted = await project.extract();
    const processed = await project.run('process');
    return { extract: extracted.peakBytes / MIB, process: processed.peakBytes / MIB };
  } finally {
    await project.remove();
  }
}
