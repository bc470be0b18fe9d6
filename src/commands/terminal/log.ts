import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import type { LogEvent } from '../../core/run.js';

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

/** Log lines: for people, or JSON. Both are made at once, not in a worker, so that they stand in order with the bars. */
export function createLog(options: LogOptions): Log {
  let logger: Logger | undefined;
  return ({ level, fields = {}, message }) => {
    if (SEVERITY[level] < SEVERITY[options.level]) return;
    try {
      logger ??= createLogger(options);
    } catch {
      // They are gone, as where the installation is replaced under a run. It goes on, and still says what happens.
      options.write(`${level.toUpperCase()}: ${message}\n`);
      return;
    }
    logger[level](fields, message);
  };
}

function createLogger({ format, level, color, write }: LogOptions): Logger {
  const { pino } = require('pino') as typeof import('pino');
  const printed = format === 'json' ? (json: string) => json : createPrinter(color);
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
