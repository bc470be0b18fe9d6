import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BINARY = fileURLToPath(new URL('../../bin/es-migrate.js', import.meta.url));

export interface Ended {
  /** Exit code, as a shell sees it: 128 + number for a signal that killed it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when stderr has shown this, rejects when the process ends without. */
  shows(pattern: RegExp): Promise<void>;
}

export interface BinaryOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Another one than this repository's, such as an earlier version's. */
  readonly binary?: string;
  /** Modules of this folder that are loaded before the binary. */
  readonly preload?: readonly Preload[];
}

export type Preload =
  | 'stop-at.mjs'
  | 'last-step.mjs'
  | 'small-pages.mjs'
  | 'clock.mjs'
  | 'names.mjs'
  | 'without-pino.mjs';

/** The real binary, with nothing of this process's es-migrate or AWS environment. */
export function startBinary(
  args: readonly string[],
  { cwd, env = {}, binary = BINARY, preload = [] }: BinaryOptions,
): Running {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(ES_MIGRATE_|AWS_)/.test(name),
  );
  const imports = preload.flatMap((module) => ['--import', new URL(module, import.meta.url).href]);
  const child = spawn(process.execPath, [...imports, binary, ...args], {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15), stdout, stderr });
    });
  });
  const shows = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (pattern.test(stderr)) resolve();
      };
      look();
      child.stderr.on('data', look);
      void ended.then(() => {
        reject(new Error(`ended without showing ${String(pattern)}:\n${stderr}`));
      });
    });
  return { child, ended, shows };
}

export function runBinary(args: readonly string[], options: BinaryOptions): Promise<Ended> {
  return startBinary(args, options).ended;
}
