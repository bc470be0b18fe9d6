import { isMet, ratiosOf, type Finding } from './finding.js';
import { median } from './statistics.js';

export const HEADER = ['what', 'ours', 'against', 'ratio', 'goal', ''] as const;

/** A finding as cells: medians, with the smallest and largest round in brackets. */
export function cells(finding: Finding): string[] {
  const { what, unit, ours, peer, goal } = finding;
  const met = isMet(finding);
  return [
    what,
    `${spread(ours)} ${unit}`,
    peer ? `${peer.name}: ${spread(peer.values)}` : '–',
    peer ? spread(ratiosOf(finding)) : '–',
    goal
      ? `${goal.bound === 'at least' ? '≥' : '≤'} ${number(goal.value)}${goal.of === 'ratio' ? '×' : ` ${unit}`}`
      : '–',
    met === undefined ? '' : met ? 'ok' : 'missed',
  ];
}

export function spread(values: readonly number[]): string {
  const middle = number(median(values));
  if (values.length < 2) return middle;
  return `${middle} (${number(Math.min(...values))}–${number(Math.max(...values))})`;
}

/** Three significant digits, thousands grouped. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString('en-US', { maximumSignificantDigits: 3 });
}

/** Aligned for a terminal. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [header = [], ...rest] = rows;
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rest.map(line)].join('\n');
}
