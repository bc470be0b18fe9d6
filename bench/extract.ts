import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { idsInOrder } from './support/ids.js';
import { makeProject } from './support/project.js';
import { median } from './support/statistics.js';
import { FROM, TO, type Sample, type World } from './support/world.js';

const MESSAGES = 1_000_000;
const SLICES = '2';

/** `extract` against two bare loops: reading the same ids and dropping them, inserting them in the same order. */
export async function extractIds(world: World): Promise<Outcome> {
  const { options, servers, report } = world;
  const sample = await world.sample(options.messages ?? MESSAGES, 'none');
  const file = await idsInOrder(world, sample);
  const range = [String(FROM.getTime()), String(TO.getTime())];
  const rates = await alternate(
    options.rounds,
    {
      paging: async () => {
        const args = [servers.elasticsearch.url, sample.indices.messages, ...range, SLICES];
        const { ids, seconds } = await runPeer<{ ids: number; seconds: number }>('page-ids', {
          args,
        });
        if (ids !== sample.messages)
          throw new Error(`the bare loop read ${ids} ids of ${sample.messages}`);
        return ids / seconds;
      },
      inserting: () => insertOnce(world, sample, file),
      ours: () => extractOnce(world, sample),
    },
    report,
  );
  const insertIsSlower = median(rates.inserting) < median(rates.paging);
  const [slower, faster] = insertIsSlower
    ? (['inserting', 'paging'] as const)
    : (['paging', 'inserting'] as const);
  const names = {
    paging: 'paging through the ids, dropping them',
    inserting: 'inserting them in the same order',
  };
  const ours = {
    what: `extract, ${sample.messages.toLocaleString('en-US')} random ids`,
    unit: 'ids/s',
    ours: rates.ours,
  };
  return {
    findings: [
      {
        ...ours,
        peer: { name: names[slower], values: rates[slower] },
        goal: { of: 'ratio', bound: 'at least', value: 0.65 },
      },
      {
        ...ours,
        what: 'the same',
        peer: { name: `the faster loop, ${names[faster]}`, values: rates[faster] },
      },
    ],
    notes: [
      'Our start-up (the same command over a range without messages, in the same round) is taken off.',
    ],
  };
}

async function extractOnce(world: World, sample: Sample): Promise<number> {
  const project = await makeProject(world, { sample, related: false });
  try {
    await project.run('db', 'migrate');
    const startUp = await project.run('extract', '--from', '2020-01-01', '--to', '2020-01-01');
    const whole = await project.extract();
    return sample.messages / (whole.seconds - startUp.seconds);
  } finally {
    await project.remove();
  }
}

async function insertOnce(world: World, sample: Sample, file: string): Promise<number> {
  const { mysql } = world.servers;
  const project = await makeProject(world, { sample });
  try {
    await project.run('db', 'migrate');
    const args = [mysql.host, String(mysql.port), mysql.user, project.database, file];
    const env = { BENCH_PASSWORD: mysql.password };
    const { ids, seconds } = await runPeer<{ ids: number; seconds: number }>('insert-ids', {
      args,
      env,
    });
    return ids / seconds;
  } finally {
    await project.remove();
  }
}
