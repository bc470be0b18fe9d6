import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BOOT = fileURLToPath(new URL('boot-systemd.sh', import.meta.url));

/** A systemd of the test's own, with the units of this checkout. */
export interface Host {
  /** Runs a program there, as root. */
  run(program: string, ...args: readonly string[]): Promise<HostAnswer>;
  /** Writes a file there. */
  write(path: string, text: string, mode?: number): Promise<void>;
  /** Some properties of a unit. */
  show<Name extends string>(unit: string, ...names: readonly Name[]): Promise<Record<Name, string>>;
  stop(): Promise<void>;
}

export interface HostAnswer {
  readonly code: number;
  /** Both streams. */
  readonly output: string;
}

/** Whether this process may make the namespaces it takes: root of a host may, root of most containers may not. */
export function mayBoot(): boolean {
  if (process.getuid?.() !== 0) return false;
  return spawnSync('unshare', ['--pid', '--fork', '--mount', '--cgroup', 'true']).status === 0;
}

export async function bootSystemd(): Promise<Host> {
  const folder = await mkdtemp(join(tmpdir(), 'boot-'));
  const boot = spawn('bash', [BOOT, folder, ROOT, process.execPath], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [boot.stdout, boot.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise((resolve) => boot.on('close', resolve));
  const stop = async () => {
    boot.stdin.end();
    await ended;
    await rm(folder, { recursive: true });
  };
  let inside = 0;
  const isBooted = async () => {
    if (boot.exitCode !== null) throw new Error('it has ended');
    inside = await processOne(Number(/^\d+\n/.exec(said)));
    return inside > 0;
  };
  const run = (program: string, ...args: readonly string[]) => {
    const enter = ['-t', String(inside), '-m', '-p', '-C', '-i', '-u', '--', program, ...args];
    return new Promise<HostAnswer>((resolve) => {
      execFile('nsenter', enter, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, output: stdout + stderr });
      });
    });
  };
  const isRunning = async () => {
    const { output } = await run('systemctl', 'is-system-running');
    return /running|degraded/.test(output);
  };
  try {
    await until(isBooted, 'systemd');
    await until(isRunning, 'a running systemd');
  } catch (error) {
    await stop();
    throw new Error(`systemd does not run: ${said}`, { cause: error });
  }
  return {
    run,
    write: (path, text, mode = 0o644) =>
      writeFile(`/proc/${inside}/root${path}`, text, { mode, flush: true }),
    show: async (unit, ...names) => {
      const { output } = await run('systemctl', 'show', unit, `--property=${names.join(',')}`);
      const lines = output.trim().split('\n');
      const pairs = lines.map((line) => line.split(/=(.*)/s) as [string, string]);
      return Object.fromEntries(pairs) as Record<(typeof names)[number], string>;
    },
    stop,
  };
}

/** The process that unshare has forked, once it has become systemd; else 0. */
async function processOne(unshare: number): Promise<number> {
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const pid = (await read(`/proc/${unshare}/task/${unshare}/children`)).trim();
  return (await read(`/proc/${pid}/comm`)) === 'systemd\n' ? Number(pid) : 0;
}
