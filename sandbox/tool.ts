import { spawn } from 'node:child_process';
import { usage } from '../src/core/errors.js';

export interface ToolOptions {
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** What to do when it fails; one sentence. */
  readonly advice?: string;
}

const KEPT_LINES = 15;

/**
 * Runs a command-line tool (mvn, go, openssl, …) to its end and returns what it printed to stdout and stderr.
 *
 * @throws MigrateError `usage` with the last lines of its output when it can't be started or fails.
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
  });
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
  if (ending === undefined) return output;
  throw usage(
    `${command} ${args[0] ?? ''} failed (${ending})${indented(lastLines(output))}`,
    options.advice,
  );
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
