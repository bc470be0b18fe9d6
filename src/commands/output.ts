import type { CommandContext } from './context.js';
import { shownJson, shownLine } from './terminal/printable.js';

/** The one JSON object of `--json`, or the lines for people, each of them one line whatever it holds. Results go to stdout. */
export function printResult(
  { globals, stdout }: CommandContext,
  json: object,
  lines: readonly string[],
): void {
  const text = globals.json ? shownJson(json) : lines.map(shownLine).join('\n');
  if (text !== '') stdout.write(`${text}\n`);
}
