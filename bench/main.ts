/**
 * `npm run bench`: measures on real servers, prints a table and keeps the figures in bench/results. Ends with 0 where a
 * goal is missed, too: it says so in the table.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../sandbox/package-root.js';
import { BENCHMARKS, type Benchmark } from './benchmarks.js';
import { readOptions, USAGE, type Options } from './options.js';
import type { Outcome } from './support/finding.js';
import { addResult } from './support/results.js';
import { cells, HEADER, textTable } from './support/table.js';
import { machine, openWorld, type World } from './support/world.js';

const say = (line: string) =>
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

async function measure(options: Options): Promise<void> {
  const { names } = options;
  const unknown = names.filter((name) => !(name in BENCHMARKS));
  if (unknown.length > 0)
    throw new RangeError(
      `unknown: ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}`,
    );
  const { version } = JSON.parse(await readFile(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const world = await openWorld(options, say);
  try {
    say(world.pinned);
    const { pinned, fileSystem } = world;
    const versions = { 'es-migrate': version, ...world.versions };
    const circumstances = { machine: machine(), pinned, fileSystem, versions };
    const rows: string[][] = [[...HEADER]];
    for (const [name, load] of Object.entries(BENCHMARKS)) {
      if (names.length > 0 && !names.includes(name)) continue;
      say(`${name} begins`);
      const outcome = await attempt(name, load, world);
      if (outcome === undefined) continue;
      await addResult({ name, date: new Date().toISOString(), ...circumstances, ...outcome });
      const found = outcome.findings.map(cells);
      for (const line of [textTable([[...HEADER], ...found]), ...outcome.notes]) say(line);
      rows.push(...found);
    }
    console.log(textTable(rows));
  } finally {
    await world.stop();
  }
}

/** Where one fails, the others are measured all the same. */
async function attempt(
  name: string,
  load: () => Promise<Benchmark>,
  world: World,
): Promise<Outcome | undefined> {
  try {
    const benchmark = await load();
    return await benchmark(world);
  } catch (error) {
    console.error(`bench: ${name} failed:`, error);
    process.exitCode = 1;
    return undefined;
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.names[0] === 'report') await (await import('./report.js')).writeReport();
  else await measure(options);
} catch (error) {
  const isUsage = error instanceof RangeError || error instanceof TypeError;
  console.error(isUsage ? `bench: ${error.message}\n${USAGE}` : error);
  process.exitCode = isUsage ? 2 : 1;
}
