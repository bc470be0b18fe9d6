import { CommanderError } from 'commander';
import type { CommandContext, Globals } from './context.js';
import { EXIT, exitCodeOf, type Verdict } from './exit-codes.js';
import { errorJson, explain, type ErrorJson } from './failure.js';
import { buildProgram, mistakeOf } from './program.js';
import { StopSignals } from './signals.js';
import { unwritable, watchStreams } from './streams.js';
import { shownJson, shownLine } from './terminal/printable.js';
import { knowEnvironment } from '../config/secrets.js';
import { oneLine } from '../core/one-line.js';
import { takeLibraryOutput } from '../host/library-output.js';

const stop = new StopSignals();
const { stdout, stderr, env } = process;
let globals: Globals = { logFormat: 'pretty', progress: true };
// Before anything can be said, such as what is wrong with an argument.
knowEnvironment(env);

const contextOf = (given: Globals): CommandContext => {
  globals = given;
  return { globals, cwd: process.cwd(), env, stdout, stderr, stdoutLost, stop };
};

let isResultLost = false;
const { lost: stdoutLost } = watchStreams(process, (error) => {
  isResultLost = true;
  say(unwritable(error));
  // Also where the command has ended by now.
  process.exitCode = EXIT.bug;
});
// For developers.
takeLibraryOutput((message) => {
  if (globals.verbose) say([oneLine(message)]);
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
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.done;
    const message = mistakeOf(error.message);
    // Nothing was parsed whole: that the flag stands there is all that is known.
    const end = process.argv.indexOf('--');
    const isWanted = process.argv.slice(0, end < 0 ? undefined : end).includes('--json');
    printError({ code: EXIT.usage, kind: 'usage', message, advice: null }, isWanted);
    return EXIT.usage;
  }
  if (stop.received !== undefined && isAbort(error)) {
    const { received, exitCode: code } = stop;
    const message = `stopped by ${received}`;
    printError({ code, kind: 'stopped', message, advice: 'run the same command again' });
    return code;
  }
  const code = exitCodeOf(error);
  say(explain(error, globals.verbose ?? false));
  printError(errorJson(error, code));
  return code;
}

/** With `--json` there is one object on stdout whatever happens; not where a result went there before. */
function printError(error: ErrorJson, isWanted = globals.json ?? false): void {
  if (!isWanted || stdoutLost.aborted || stdout.bytesWritten > 0) return;
  stdout.write(`${shownJson({ error })}\n`);
}

function isAbort(error: unknown): boolean {
  return error === stop.signal.reason || (error instanceof Error && error.name === 'AbortError');
}

function say(lines: readonly string[]): void {
  for (const line of lines) {
    const json = { level: 50, time: new Date().toISOString(), msg: line };
    stderr.write(
      globals.logFormat === 'json' ? `${shownJson(json)}\n` : `es-migrate: ${shownLine(line)}\n`,
    );
  }
}
