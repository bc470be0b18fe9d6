import { spawn, type ChildProcess } from 'node:child_process';
import { usage } from '../src/core/errors.js';

export interface ToolOptions {
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to do when it fails; one sentence. */
  readonly advice?: string;
  /** Ends it, with everything it started. */
  readonly stop?: AbortSignal | undefined;
}

const KEPT_LINES = 15;

/**
 * Runs a command-line tool (mvn, go, openssl, …) to its end and returns what it printed to stdout and stderr.
 *
 * @throws MigrateError `usage` with the last lines of its output when it can't be started or fails; the reason of
 *   `stop` once it has ended.
 */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, or the compilers that go and mvn start would go on without them.
    detached: options.stop !== undefined,
  });
  const end = () => endGroup(child);
  options.stop?.addEventListener('abort', end);
  if (options.stop) process.once('exit', end);
  let output = '';
  const collect = (chunk: Buffer) => (output += chunk.toString());
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const ending = await new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) =>
      resolve(code === 0 ? undefined : `exit code ${code ?? signal ?? 'unknown'}`),
    );
  });
  options.stop?.removeEventListener('abort', end);
  process.off('exit', end);
  options.stop?.throwIfAborted();
  if (ending === undefined) return output;
  throw usage(
    `${command} ${args[0] ?? ''} failed (${ending})${indented(lastLines(output))}`.split('\n'),
    options.advice,
  );
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended in this very moment.
  }
}

/** The last lines of a text, without empty ones. */
export function lastLines(text: string, count = KEPT_LINES): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count);
}

/** Lines as a block below a message; nothing when there are none. */
export function indented(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `:\n${lines.map((line) => `    ${line}`).join('\n')}`;
}
