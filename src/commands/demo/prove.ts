import { copyFile, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Sandbox } from '../../../sandbox/index.js';
import { sampleIndices, type SampleOptions } from '../../../sandbox/sample.js';
import { chooseMessages, type Chosen } from './choose.js';
import { compare, type Comparison } from './compare.js';
import { openStored, type Stored } from './stored.js';

export interface Proof {
  readonly chosen: readonly Chosen[];
  readonly comparison: Comparison;
  /** File of one document to look at; nothing where there is none. */
  readonly document: string | undefined;
}

/** How many messages are compared. */
const COMPARED = 50;

/**
 * Compares what lies in the sandbox's S3 with what Elasticsearch has, past everything of the product.
 *
 * @param keep the S3 server's own file is shown; without it a copy in the system's temporary directory, which stays.
 */
export async function prove(
  sandbox: Sandbox,
  sample: SampleOptions,
  { keep, stop }: { keep: boolean; stop: AbortSignal },
): Promise<Proof> {
  const chosen = chooseMessages(sample, COMPARED);
  const { messages, ...related } = sampleIndices(sample.prefix);
  const originals = { url: sandbox.elasticsearch.url, messages, related };
  const stored = await openStored(sandbox.mysql, sandbox.s3);
  try {
    const ids = chosen.map(({ id }) => id);
    const comparison = await compare(ids, stored, originals, stop);
    const file = await fileToShow(chosen, stored);
    return { chosen, comparison, document: file && (keep ? file : await copied(file)) };
  } finally {
    await stored.close();
  }
}

/** One with spoilable numbers and an ordinary name, where there is one. */
async function fileToShow(chosen: readonly Chosen[], stored: Stored): Promise<string | undefined> {
  const plain = chosen.filter(({ hostile }) => !hostile);
  const best = plain.find(({ spoilable }) => spoilable) ?? plain[0] ?? chosen[0];
  return best && stored.fileOf(best.id);
}

async function copied(file: string): Promise<string> {
  const copy = join(await mkdtemp(join(tmpdir(), 'es-migrate-demo-')), basename(file));
  await copyFile(file, copy);
  return copy;
}
