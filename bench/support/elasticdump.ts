import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../../sandbox/cache.js';
import { send } from '../../sandbox/sample/bulk.js';
import { runTool } from '../../sandbox/tool.js';
import { runNode, type Measured } from './child.js';
import type { World } from './world.js';

const VERSION = '6.125.1';
/** Documents a request. Its default of 100 would be slower by far. */
const LIMIT = 10_000;
const EMPTY_INDEX = 'bench-empty';

export interface Dumped {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

export interface Elasticdump {
  readonly version: string;
  /** Dumps indices to local files, one after the other; without elasticdump's start-up, once each. */
  dump(indices: readonly string[]): Promise<Dumped>;
}

/** Installs elasticdump beside the sandbox's servers, on first use; it is no dependency of the project. */
export async function openElasticdump({ servers, report }: World): Promise<Elasticdump> {
  const home = await cached(`elasticdump-${VERSION}`, async (folder) => {
    report(`installing elasticdump ${VERSION}`);
    const quiet = ['--no-audit', '--no-fund', '--loglevel', 'error'];
    await runTool('npm', ['install', '--prefix', folder, ...quiet, `elasticdump@${VERSION}`]);
  });
  const program = join(home, 'node_modules', 'elasticdump', 'bin', 'elasticdump');
  const { url } = servers.elasticsearch;
  const file = join(servers.dir, 'elasticdump.jsonl');
  const dumpOne = async (index: string): Promise<Measured> => {
    const args = [
      `--input=${url}/${index}`,
      `--output=${file}`,
      '--type=data',
      `--limit=${LIMIT}`,
      '--quiet',
    ];
    await rm(file, { force: true });
    return runNode([program, ...args], {});
  };
  if (!(await fetch(`${url}/${EMPTY_INDEX}`, { method: 'HEAD' })).ok)
    await send(url, EMPTY_INDEX, 'PUT', '{}');
  return {
    version: VERSION,
    dump: async (indices) => {
      const startUp = await dumpOne(EMPTY_INDEX);
      const sum = { seconds: 0, cpuSeconds: 0, peakBytes: 0 };
      for (const index of indices) {
        const { seconds, cpuSeconds, peakBytes } = await dumpOne(index);
        sum.seconds += seconds - startUp.seconds;
        sum.cpuSeconds += cpuSeconds - startUp.cpuSeconds;
        sum.peakBytes = Math.max(sum.peakBytes, peakBytes);
      }
      await rm(file, { force: true });
      return sum;
    },
  };
}
