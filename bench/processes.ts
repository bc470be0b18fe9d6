import { alternate } from './support/alternate.js';
import type { Finding, Outcome } from './support/finding.js';
import { startPeer } from './support/server.js';
import { median } from './support/statistics.js';
import { runProcess } from './support/whole-run.js';
import type { Sample, World } from './support/world.js';

/** Each process carries as many: what one takes to get going would else weigh the more the more there are. */
const MESSAGES_EACH = 24_000;
/**
 * What Elasticsearch takes longer than it does, and batches so small that waiting for it is the limit and not one of these CPUs:
 * four processes ask for some 15 batches a second.
 */
const DELAY_MS = 500;
const SETTINGS = { concurrency: 2, batchSize: 100 };
/** Each takes minutes, and waiting varies little. */
const MOST_ROUNDS = 3;

/** `process --processes` 1, 2 and 4 where each answer of Elasticsearch takes its time, against as many times one process. */
export async function severalProcesses(world: World): Promise<Outcome> {
  const { options, servers, report } = world;
  const each = options.messages ?? MESSAGES_EACH;
  const { hostname, port } = new URL(servers.elasticsearch.url);
  const slow = await startPeer('delay-line', [hostname, port, String(DELAY_MS)]);
  try {
    const rateOf = async (processes: number) =>
      processOnce(world, await world.sample(each * processes, 'none'), slow.url, processes);
    const rates = await alternate(
      Math.min(options.rounds, MOST_ROUNDS),
      { one: () => rateOf(1), two: () => rateOf(2), four: () => rateOf(4) },
      report,
    );
    const finding = (processes: number, ours: number[]): Finding => ({
      what: `process --processes ${processes}, Elasticsearch ${DELAY_MS} ms away`,
      unit: 'messages/s',
      ours,
      peer: {
        name: `${processes} × one process`,
        values: rates.one.map((rate) => rate * processes),
      },
      goal: { of: 'ratio', bound: 'at least', value: 0.9 },
    });
    return {
      findings: [finding(2, rates.two), finding(4, rates.four)],
      notes: [
        `${each} messages per process, without related records, batches of ${SETTINGS.batchSize}, concurrency ${SETTINGS.concurrency} per process; one process: ${Math.round(median(rates.one))} messages/s. The command's start-up is taken off, not that of its workers.`,
      ],
    };
  } finally {
    await slow.stop();
  }
}

async function processOnce(
  world: World,
  sample: Sample,
  elasticsearchUrl: string,
  processes: number,
): Promise<number> {
  const options = { sample, related: false, elasticsearchUrl, settings: SETTINGS };
  const { seconds } = await runProcess(world, options, ['--processes', String(processes)]);
  return sample.messages / seconds;
}
