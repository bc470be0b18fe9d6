import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { packageRoot } from '../sandbox/package-root.js';
import { BENCHMARKS } from './benchmarks.js';
import { ratiosOf, reach, type Finding } from './support/finding.js';
import { barPlot, linePlot, type Bar } from './support/plots.js';
import { readResults, type Result } from './support/results.js';
import { median } from './support/statistics.js';
import { cells, HEADER, markdownTable, number } from './support/table.js';

const DOCUMENT = join(packageRoot(), 'docs', 'PERFORMANCE.md');
const GOALS_PLOT = 'performance-goals.svg';
const GROWTH_PLOT = 'performance-growth.svg';

/**
 * `npm run bench -- report`: writes the newest figures of each benchmark into docs/PERFORMANCE.md, between the comments
 * `bench: NAME` and `/bench`, and draws its plots. What stands around them stays.
 *
 * @throws Error where a benchmark has figures and the document no place for them
 */
export async function writeReport(): Promise<void> {
  const all = await readResults();
  const newest = Object.keys(BENCHMARKS).flatMap((name) => all.get(name)?.at(-1) ?? []);
  const before = await readFile(DOCUMENT, 'utf8');
  const after = newest.reduce(
    (text, result) => withBlock(text, result.name, blockOf(result)),
    withBlock(before, 'goals', goalsBlock(newest)),
  );
  const style = await resolveConfig(DOCUMENT);
  await writeFile(DOCUMENT, await format(after, { ...style, filepath: DOCUMENT }));
  await draw(GOALS_PLOT, barPlot('How far each figure reaches (1 = its goal)', barsOf(newest)));
  const growth = newest.find(({ series }) => series !== undefined)?.series;
  if (growth) await draw(GROWTH_PLOT, linePlot('Cost a message', growth, 'messages'));
}

function withBlock(text: string, name: string, block: string): string {
  const begin = `<!-- bench: ${name} -->`;
  const end = '<!-- /bench -->';
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/PERFORMANCE.md has no ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${block}\n\n${text.slice(to)}`;
}

function blockOf(result: Result): string {
  const { findings, notes, series, date, machine, pinned, fileSystem, versions } = result;
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const where = `${date.slice(0, 10)}, ${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGb} GiB; ${pinned}; files on ${fileSystem}; ${software.join(', ')}.`;
  const plot = series ? [`![Cost a message](${GROWTH_PLOT})`] : [];
  const table = markdownTable([[...HEADER], ...findings.map(cells)]);
  return [table, ...plot, ...notes, `_${where}_`].join('\n\n');
}

/** Every figure that has a goal. */
function goalsBlock(results: readonly Result[]): string {
  const found = results.flatMap(({ findings }) => findings.filter(({ goal }) => goal));
  return `${markdownTable([[...HEADER], ...found.map(cells)])}\n\n![How far each figure reaches](${GOALS_PLOT})`;
}

function barsOf(results: readonly Result[]): Bar[] {
  return results.flatMap(({ findings }) =>
    findings.flatMap((finding) => {
      const reached = reach(finding);
      if (reached === undefined) return [];
      return [{ label: finding.what, reach: reached, text: figure(finding) }];
    }),
  );
}

function figure(finding: Finding): string {
  const { goal, unit, ours } = finding;
  return goal?.of === 'ratio'
    ? `${number(median(ratiosOf(finding)))}×`
    : `${number(median(ours))} ${unit}`;
}

function draw(name: string, svg: string): Promise<void> {
  return writeFile(join(packageRoot(), 'docs', name), svg);
}
