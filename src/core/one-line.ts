/** What ends a line, on a terminal or for who reads a log: no part of ours, so that data never begins a line of its own. */
const LINE_BREAKS = /[\n\v\f\r\u0085\u2028\u2029]+/;

/** Text on one line: line breaks, with the spaces around them, become one space. Takes time in proportion to its length. */
export function oneLine(text: string): string {
  const lines = text.split(LINE_BREAKS);
  if (lines.length === 1) return text;
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join(' ');
}

/** At most `most` characters, not cut between the halves of one beyond 16 bits; an ellipsis stands for the rest. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
