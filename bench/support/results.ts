import { appendFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../sandbox/package-root.js';
import type { Outcome } from './finding.js';

/** A line of bench/results/NAME.jsonl: one run of one benchmark, and what it ran on. */
export interface Result extends Outcome {
  readonly name: string;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: { readonly cpu: string; readonly cpus: number; readonly memoryGb: number };
  readonly pinned: string;
  /** That the servers' files lay on. */
  readonly fileSystem: string;
  readonly versions: Readonly<Record<string, string>>;
}

const DIRECTORY = join(packageRoot(), 'bench', 'results');

export async function addResult(result: Result): Promise<void> {
  await mkdir(DIRECTORY, { recursive: true });
  await appendFile(join(DIRECTORY, `${result.name}.jsonl`), JSON.stringify(result) + '\n');
}

/** Every run of every benchmark, the oldest of each first. */
export async function readResults(): Promise<Map<string, Result[]>> {
  const names = (await readdir(DIRECTORY).catch(() => []))
    .filter((name) => name.endsWith('.jsonl'))
    .sort();
  const all = new Map<string, Result[]>();
  for (const name of names) {
    const lines = (await readFile(join(DIRECTORY, name), 'utf8')).trim().split('\n');
    all.set(
      name.slice(0, -'.jsonl'.length),
      lines.map((line) => JSON.parse(line) as Result),
    );
  }
  return all;
}
