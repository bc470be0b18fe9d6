import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import { shortened } from '../../core/one-line.js';
import type { LogEvent } from '../../core/run.js';
import { scrub } from '../../core/secrets/known.js';
import { printableJson, shownLine } from './printable.js';

export interface LogOptions {
  readonly format: 'pretty' | 'json';
  readonly level: 'debug' | 'info' | 'warn';
  readonly color: boolean;
  /** Takes each finished line, line break included. */
  readonly write: (line: string) => void;
}

export type Log = (event: Omit<LogEvent, 'type'>) => void;

/** Fields that are never logged, whoever sends them. */
const SECRET_FIELDS = ['apiKey', 'password', 'authorization', 'secretAccessKey', 'sessionToken'];

const SEVERITY = { debug: 0, info: 1, warn: 2, error: 3 } as const;
/** Loads pino and its printer with the first line: they are a tenth of a start-up, and `status` logs nothing. */
const require = createRequire(import.meta.url);

/** Longest message of a line, in characters. */
const LONGEST_MESSAGE = 16_384;

/**
 * Log lines: for people, or JSON. Both are made at once, not in a worker, so that they stand in order with the bars. A message, whatever
 * it holds, is one line, moves no cursor and shows no secret.
 */
export function createLog(options: LogOptions): Log {
  let logger: Logger | undefined;
  return ({ level, fields = {}, message }) => {
    if (SEVERITY[level] < SEVERITY[options.level]) return;
    try {
      logger ??= createLogger(options);
    } catch {
      // They are gone, as where the installation is replaced under a run. It goes on, and still says what happens.
      options.write(`${level.toUpperCase()}: ${shownLine(message)}\n`);
      return;
    }
    const cleaned = options.format === 'json' ? scrub : shownLine;
    logger[level](cleanedFields(fields, cleaned), shortened(cleaned(message), LONGEST_MESSAGE));
  };
}

function cleanedFields(
  fields: NonNullable<LogEvent['fields']>,
  cleaned: (text: string) => string,
): NonNullable<LogEvent['fields']> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? cleaned(value) : value,
    ]),
  );
}

function createLogger({ format, level, color, write }: LogOptions): Logger {
  const { pino } = require('pino') as typeof import('pino');
  const printed = format === 'json' ? printableJson : createPrinter(color);
  const redact = [...SECRET_FIELDS, ...SECRET_FIELDS.map((name) => `*.${name}`)];
  const destination = { write: (json: string) => write(printed(json)) };
  return pino({ level, base: null, redact, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

function createPrinter(color: boolean): (json: string) => string {
  const { prettyFactory } = require('pino-pretty') as typeof import('pino-pretty');
  return prettyFactory({
    colorize: color,
    // The figures of progress lines stand in their text, too.
    ignore: 'type,stage,done,total,failed,uploads,limit',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
}
