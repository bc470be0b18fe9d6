import { open } from 'node:fs/promises';
import { exportLines } from '../../../sandbox/environment.js';
import { counted } from '../../core/words.js';
import type { Chosen } from './choose.js';
import type { Comparison } from './compare.js';

const HEAD_BYTES = 400;
const MOST_DIFFERENCES = 10;

/** What was compared, and how it came out. */
export function comparisonLines(chosen: readonly Chosen[], comparison: Comparison): string[] {
  const { compared, equal, differences } = comparison;
  const hostile = chosen.filter((message) => message.hostile).length;
  const spoilable = chosen.filter((message) => message.spoilable).length;
  const more = differences.length - MOST_DIFFERENCES;
  return [
    `Compared ${counted(compared, 'object')} in S3 with what Elasticsearch answers to GET, byte for byte: ${equal} equal`,
    `(among them ${hostile} with hostile ids and ${spoilable} with numbers that JavaScript would spoil).`,
    ...differences.slice(0, MOST_DIFFERENCES).map((difference) => `  ${difference}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

/** Where one document lies and how it begins. */
export async function documentLines(path: string): Promise<string[]> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    // A character may be cut in two at the end.
    const head = new TextDecoder().decode(buffer.subarray(0, bytesRead), { stream: true });
    return [`One of them to open: ${path}`, `  ${head}${bytesRead === HEAD_BYTES ? '…' : ''}`];
  } finally {
    await file.close();
  }
}

/** What to do after the demo. */
export const NEXT_LINES = [
  'Next, your own servers: write es-migrate.yaml (the README has one to start from), then',
  '  es-migrate extract --from 2024-10-01 --to 2024-10-31 --dry-run   # counts, writes nothing',
];

/** How to look around while the servers stay up. */
export function keepLines(
  environment: Readonly<Record<string, string>>,
  config: string,
  objects: string,
): string[] {
  return [
    ...exportLines(environment),
    '# The lines above are for another shell. There, for example:',
    `#   es-migrate status --config ${config}`,
    `# The objects lie in ${objects}. Ctrl-C ends it.`,
  ];
}
