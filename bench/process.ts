import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { makeProject } from './support/project.js';
import { startRecorder } from './support/recorder.js';
import { runProcess, type Took } from './support/whole-run.js';
import type { Sample, World } from './support/world.js';

const MESSAGES = 200_000;

/** `process` to S3 in layout batch, with three related indices, against the same searches with their answers dropped. */
export async function processBatch(world: World): Promise<Outcome> {
  const { options, servers, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'realistic');
  const { file, atOnce, searches } = await record(world, sample);
  report(`${searches} searches recorded, ${atOnce} at once`);
  const url = servers.elasticsearch.url;
  const { ours, bare } = await alternate<'ours' | 'bare', Took>(
    options.rounds,
    {
      bare: () => runPeer<Took>('replay', { args: [url, file, String(atOnce)] }),
      ours: () => runProcess(world, { sample }),
    },
    report,
  );
  const name = 'the same searches, answers dropped';
  const rate = ({ seconds }: Took) => sample.messages / seconds;
  const cpu = ({ cpuSeconds }: Took) => (cpuSeconds * 1e6) / sample.messages;
  return {
    findings: [
      {
        what: 'process, layout batch, 3 related indices',
        unit: 'messages/s',
        ours: ours.map(rate),
        peer: { name, values: bare.map(rate) },
        goal: { of: 'ratio', bound: 'at least', value: 0.85 },
      },
      {
        what: 'CPU of our process',
        unit: 'µs/message',
        ours: ours.map(cpu),
        peer: { name, values: bare.map(cpu) },
      },
    ],
    notes: [
      `${sample.messages} messages with ${sample.related} related records; ${searches} searches, up to ${atOnce} at once.`,
      'The searches were recorded from a run of ours; our start-up (the same command with nothing to do, in the same round) is taken off.',
    ],
  };
}

/** The searches `process` sends for the sample, one a line. */
async function record(
  world: World,
  sample: Sample,
): Promise<{ file: string; searches: number; atOnce: number }> {
  const recorder = await startRecorder(world.servers.elasticsearch.url);
  const project = await makeProject(world, { sample, elasticsearchUrl: recorder.url });
  try {
    await project.extract();
    const before = recorder.searches.length;
    await project.run('process');
    const searches = recorder.searches
      .slice(before)
      .filter(({ body }) => body.includes('seq_no_primary_term'));
    const file = join(world.servers.dir, 'searches.jsonl');
    const out = createWriteStream(file);
    for (const search of searches) out.write(JSON.stringify(search) + '\n');
    out.end();
    await finished(out);
    return { file, searches: searches.length, atOnce: recorder.atOnce };
  } finally {
    await project.remove();
    await recorder.close();
  }
}
