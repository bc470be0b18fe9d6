import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../sandbox/package-root.js';

export interface ChildOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Exit codes that are no failure; 0 unless given. */
  readonly codes?: readonly number[];
}

/** What a process took, with all processes of Node it started. */
export interface Measured {
  /** From the moment it was started until it was gone. */
  readonly seconds: number;
  /** User and system, summed. */
  readonly cpuSeconds: number;
  /** Most resident memory of any one of them. */
  readonly peakBytes: number;
  readonly stdout: string;
}

const PROBE = new URL('usage-probe.js', import.meta.url).href;
const BINARY = join(packageRoot(), 'bin', 'es-migrate.js');

/**
 * Starts our own binary, as a user would.
 *
 * @param profile directory for V8's CPU profile of it
 */
export function startOurs(
  args: readonly string[],
  options: ChildOptions,
  profile?: string,
): RunningChild {
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  return startNode([...profiling, BINARY, ...args, '--no-progress'], options);
}

/** Runs one of the scripts in bench/peers and parses the JSON it prints. */
export async function runPeer<Answer>(
  name: string,
  options: ChildOptions & { args?: readonly string[] } = {},
): Promise<Answer> {
  const script = fileURLToPath(new URL(`../peers/${name}.js`, import.meta.url));
  const { stdout } = await runNode([script, ...(options.args ?? [])], options);
  return JSON.parse(stdout) as Answer;
}

/** Runs Node to its end: see `startNode`. */
export function runNode(args: readonly string[], options: ChildOptions): Promise<Measured> {
  return startNode(args, options).ended;
}

export interface RunningChild {
  /** Rejects with the end of its output where it ends otherwise than it should. */
  readonly ended: Promise<Measured>;
  /** Sends SIGTERM. */
  stop(): void;
}

/** Starts Node. */
export function startNode(
  args: readonly string[],
  { cwd, env = {}, codes = [0] }: ChildOptions,
): RunningChild {
  const usage = join(tmpdir(), `es-migrate-bench-${randomUUID()}`);
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(ES_MIGRATE_|AWS_)/.test(name),
  );
  const began = performance.now();
  const child = spawn(process.execPath, [...args], {
    ...(cwd !== undefined && { cwd }),
    env: {
      ...Object.fromEntries(inherited),
      ...env,
      BENCH_USAGE: usage,
      NODE_OPTIONS: `--import=${PROBE}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let seconds = 0;
  child.once('exit', () => (seconds = (performance.now() - began) / 1000));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => (stderr = (stderr + text).slice(-4000)));
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const end = async (): Promise<Measured> => {
    const code = await closed;
    const told = await readFile(usage, 'utf8').catch(() => '');
    await rm(usage, { force: true });
    if (code === null || !codes.includes(code)) {
      throw new Error(
        `${args.slice(0, 2).join(' ')} ended with ${code ?? 'a signal'}:\n${stderr}${stdout.slice(-1000)}`,
      );
    }
    const processes = told
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { cpuSeconds: number; peakBytes: number });
    return {
      seconds,
      cpuSeconds: processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      peakBytes: Math.max(...processes.map(({ peakBytes }) => peakBytes)),
      stdout,
    };
  };
  return { ended: end(), stop: () => child.kill('SIGTERM') };
}
