import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { oneLine } from '../core/one-line.js';
import { packageRoot } from '../core/package-root.js';
import { addCommands } from './declare.js';
import type { ProgramHooks } from './context.js';
import { shownLine } from './terminal/printable.js';

/**
 * The whole command line. Nothing heavy is imported here: each command's code is loaded when it is run, so that
 * `--help` answers at once.
 */
export function buildProgram(hooks: ProgramHooks): Command {
  const program = new Command('es-migrate')
    .description(
      'Copies every message of a date range from Elasticsearch to S3, byte for byte, tracked in MySQL.',
    )
    .version(version(), '-V, --version')
    .addOption(
      new Option('--config <file>', 'configuration (default: es-migrate.yaml, .yml or .json here)'),
    )
    .option('--json', 'print one JSON object on stdout and nothing else')
    .option('--quiet', 'log warnings and errors only, no progress')
    .option('--verbose', 'log more, and stack traces of errors')
    .addOption(
      new Option('--log-format <format>', 'format of log lines')
        .choices(['pretty', 'json'])
        .default('pretty'),
    )
    .option('--no-progress', 'show neither bars nor progress lines');
  strict(program);
  addCommands(program, hooks, strict);
  return program.addHelpText(
    'after',
    [
      '',
      'Configuration: flags > ES_MIGRATE_… variables > es-migrate.yaml > defaults.',
      'Secrets belong in the environment or in files, never on the command line:',
      'ES_MIGRATE_TRACKING_PASSWORD, or ES_MIGRATE_TRACKING_PASSWORD_FILE with a path.',
      '',
      'Try it without any server of your own: es-migrate demo',
    ].join('\n'),
  );
}

/** One line for each mistake, and an exception instead of an exit, since exit codes are made in one place. */
function strict(command: Command): Command {
  return command
    .exitOverride()
    .helpCommand(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => write(`es-migrate: ${shownLine(mistakeOf(text))}\n`),
    });
}

/**
 * What is wrong with the arguments, as Commander says it, on one line. It quotes them: of a flag there is not, such as
 * `--password=…`, only the name.
 */
export function mistakeOf(said: string): string {
  const line = oneLine(said.trim()).replace(/^error: /, '');
  const [whole, flag] = /^unknown option '(--?[^'=]+)=.*'/.exec(line) ?? [];
  return whole === undefined ? line : line.replace(whole, () => `unknown option '${flag ?? ''}'`);
}

function version(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
