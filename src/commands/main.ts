import { CommanderError } from 'commander';
import type { CommandContext, Globals } from './context.js';
import { EXIT, exitCodeOf, type Verdict } from './exit-codes.js';
import { explain } from './failure.js';
import { buildProgram } from './program.js';
import { StopSignals } from './signals.js';
import { unwritable, watchStreams } from './streams.js';
import { Scrubber } from './terminal/scrub.js';

const stop = new StopSignals();
const scrubber = new Scrubber();
const { stdout, stderr, env } = process;
let globals: Globals = { logFormat: 'pretty', progress: true };

const contextOf = (given: Globals): CommandContext => {
  globals = given;
  return { globals, cwd: process.cwd(), env, stdout, stderr, stdoutLost, stop, scrubber };
};

let isResultLost = false;
const { lost: stdoutLost } = watchStreams(process, (error) => {
  isResultLost = true;
  say(unwritable(error));
  // Also where the command has ended by now.
  process.exitCode = EXIT.bug;
});
// Warnings of Node and of libraries, such as that an SDK will want a newer Node, are for developers.
process.removeAllListeners('warning');
process.on('warning', ({ name, message }) => {
  if (globals.verbose) say([`${name}: ${message.replaceAll(/\s*\n\s*/g, ' ')}`]);
});
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit(EXIT.bug);
});

try {
  const { code, next } = await run(process.argv);
  if (next !== undefined) say([next]);
  exitWith(code);
} catch (error) {
  exitWith(fail(error));
}

function exitWith(code: number): void {
  process.exitCode = isResultLost ? EXIT.bug : code;
}

async function run(argv: readonly string[]): Promise<Verdict> {
  let verdict: Verdict = { code: EXIT.done };
  const program = buildProgram({ contextOf, ended: (how) => (verdict = how) });
  await program.parseAsync(argv);
  return verdict;
}

/** The one place where an error becomes words and an exit code. */
function fail(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (stop.received !== undefined && isAbort(error)) return stop.exitCode;
  say(explain(error, globals.verbose ?? false));
  return exitCodeOf(error);
}

function isAbort(error: unknown): boolean {
  return error === stop.signal.reason || (error instanceof Error && error.name === 'AbortError');
}

function say(lines: readonly string[]): void {
  for (const line of lines.map((text) => scrubber.scrub(text))) {
    const json = JSON.stringify({ level: 50, time: new Date().toISOString(), msg: line });
    stderr.write(globals.logFormat === 'json' ? `${json}\n` : `es-migrate: ${line}\n`);
  }
}
