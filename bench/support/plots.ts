import type { Series } from './finding.js';

/** Bars of how far each figure reaches, with a line at 1. */
export interface Bar {
  readonly label: string;
  /** 1: just as good as it should be. */
  readonly reach: number;
  readonly text: string;
}

const WIDTH = 860;
const LABELS = 430;
const ROW = 24;
const MOST_REACH = 2;
const GOOD = '#2a7d4f';
const MISSED = '#b3402a';
const LINES = ['#1f5fa8', '#2a7d4f', '#b3402a'];

export function barPlot(title: string, bars: readonly Bar[]): string {
  const height = 60 + bars.length * ROW;
  const x = (reach: number) =>
    LABELS + (Math.min(reach, MOST_REACH) / MOST_REACH) * (WIDTH - LABELS - 90);
  const rows = bars.map(({ label, reach, text }, i) => {
    const y = 40 + i * ROW;
    const colour = reach >= 1 ? GOOD : MISSED;
    return [
      write(LABELS - 8, y + 13, label, 'end'),
      `<rect x="${LABELS}" y="${y}" width="${fixed(x(reach) - LABELS)}" height="${ROW - 8}" fill="${colour}"/>`,
      write(x(reach) + 6, y + 13, text),
    ].join('\n');
  });
  return svg(height, title, [
    ...rows,
    `<line x1="${fixed(x(1))}" y1="34" x2="${fixed(x(1))}" y2="${height - 18}" stroke="#222" stroke-dasharray="4 3"/>`,
    write(x(1), height - 6, 'goal', 'middle'),
  ]);
}

/** Each series below the other, over one logarithmic axis; each on its own scale from 0. */
export function linePlot(title: string, series: readonly Series[], axis: string): string {
  const panel = 130;
  const left = 90;
  const xs = series.flatMap(({ points }) => points.map(([x]) => Math.log10(x)));
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  const x = (value: number) =>
    left + ((Math.log10(value) - least) / Math.max(most - least, 1)) * (WIDTH - left - 60);
  const panels = series.map(({ name, unit, points }, i) => {
    const top = 50 + i * panel;
    const bottom = top + panel - 50;
    const highest = Math.max(...points.map(([, y]) => y)) * 1.25;
    const y = (value: number) => bottom - (value / highest) * (bottom - top);
    const colour = LINES[i % LINES.length] ?? '#222';
    const line = points.map((point) => `${fixed(x(point[0]))},${fixed(y(point[1]))}`).join(' ');
    return [
      write(left - 60, top - 4, `${name}, ${unit}`),
      `<line x1="${left}" y1="${bottom}" x2="${WIDTH - 40}" y2="${bottom}" stroke="#999"/>`,
      write(left - 8, bottom + 4, '0', 'end'),
      `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...points.flatMap(([at, value]) => [
        `<circle cx="${fixed(x(at))}" cy="${fixed(y(value))}" r="3.5" fill="${colour}"/>`,
        write(x(at), y(value) - 8, String(Number(value.toPrecision(3))), 'middle'),
        write(x(at), bottom + 16, at.toLocaleString('en-US'), 'middle'),
      ]),
    ].join('\n');
  });
  const height = 60 + series.length * panel;
  return svg(height, title, [...panels, write(WIDTH / 2, height - 12, axis, 'middle')]);
}

function svg(height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="12" y="22" font-size="15" fill="#222">${escaped(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function write(x: number, y: number, text: string, anchor = 'start'): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}" fill="#222">${escaped(text)}</text>`;
}

const fixed = (value: number) => value.toFixed(1);
const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
