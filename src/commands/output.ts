import type { CommandContext } from './context.js';

/** The one JSON object of `--json`, or the lines for people. Results go to stdout. */
export function printResult(
  { globals, stdout }: CommandContext,
  json: object,
  lines: readonly string[],
): void {
  const text = globals.json ? JSON.stringify(json) : lines.join('\n');
  if (text !== '') stdout.write(`${text}\n`);
}
