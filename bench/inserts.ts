import { alternate } from './support/alternate.js';
import { runPeer } from './support/child.js';
import type { Outcome } from './support/finding.js';
import { openTables } from './support/tables.js';
import type { World } from './support/world.js';

const ROWS = 200_000;
const PAGE = 10_000;

/** Why pages are stored by multi-row INSERT IGNORE: against LOAD DATA LOCAL … IGNORE into the same keys. */
export async function inserts(world: World): Promise<Outcome> {
  const { options, report } = world;
  const pages = Math.ceil((options.messages ?? ROWS) / PAGE);
  const rates = await alternate(
    options.rounds,
    { insert: () => rate(world, 'insert', pages), load: () => rate(world, 'load', pages) },
    report,
  );
  return {
    findings: [
      {
        what: 'INSERT IGNORE of many rows, random ids',
        unit: 'rows/s',
        ours: rates.insert,
        peer: { name: 'LOAD DATA LOCAL … IGNORE', values: rates.load },
      },
    ],
    notes: [`${pages} pages of ${PAGE.toLocaleString('en-US')} rows, a transaction each.`],
  };
}

async function rate(world: World, how: 'insert' | 'load', pages: number): Promise<number> {
  const tables = await openTables(world);
  try {
    const { host, port, user, password } = world.servers.mysql;
    const args = [how, host, String(port), user, tables.name, String(pages)];
    const env = { BENCH_PASSWORD: password };
    const { rows, seconds } = await runPeer<{ rows: number; seconds: number }>('inserts', {
      args,
      env,
    });
    return rows / seconds;
  } finally {
    await tables.drop();
  }
}
