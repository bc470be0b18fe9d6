import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { resource } from './package-root.js';

/** A server that runs under guard.sh. */
export interface Guarded {
  /** The server's own process, not the guard's. */
  readonly pid: number;
  /** Exit code of the server, once it ended by itself. */
  readonly ended: Promise<number>;
  /** Everything the server printed so far. */
  log(): Promise<string>;
  /** Kills the server, removes its directory, and resolves when both are gone. Calling it twice is harmless. */
  stop(): Promise<void>;
}

/**
 * Starts a server that can't outlive this process: see guard.sh.
 *
 * @param home its own directory, `SANDBOX/servers/NAME`, removed when it stops. SANDBOX goes with its last server.
 * @param env replaces this process's environment, so that no credential of the user's reaches a server.
 */
export async function spawnGuarded(
  home: string,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Guarded> {
  // Detached: Ctrl-C in the terminal reaches this process, which stops the servers when it has finished.
  const guard = spawn('sh', [resource('guard.sh'), home, command, ...args], {
    cwd: home,
    detached: true,
    env: { PATH: process.env['PATH'] ?? '', LANG: 'C.UTF-8', ...env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const gone = once(guard, 'close');
  guard.stdin.on('error', () => undefined);
  let end: (code: number) => void;
  const ended = new Promise<number>((resolve) => (end = resolve));
  const pid = await new Promise<number>((resolve, reject) => {
    guard.once('error', reject);
    createInterface({ input: guard.stdout }).on('line', (line) => {
      const [word, number] = line.split(' ');
      if (word === 'pid') resolve(Number(number));
      if (word === 'exit') end(Number(number));
    });
  });
  return {
    pid,
    ended,
    log: () => readFile(join(home, 'log'), 'utf8'),
    stop: async () => {
      guard.stdin.end();
      await gone;
    },
  };
}
