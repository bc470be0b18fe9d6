import { pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
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

/** Log lines: for people, or JSON. Both are made at once, not in a worker, so that they stand in order with the bars. */
export function createLog({ format, level, color, write }: LogOptions): Log {
  const pretty = prettyFactory({
    colorize: color,
    // The figures of progress lines stand in their text, too.
    ignore: 'type,stage,done,total,failed,limit',
    translateTime: 'SYS:HH:MM:ss',
    singleLine: true,
  });
  const destination = {
    write: (json: string) => write(format === 'json' ? json : pretty(json)),
  };
  const redact = [...SECRET_FIELDS, ...SECRET_FIELDS.map((name) => `*.${name}`)];
  const logger = pino(
    { level, base: null, redact, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  return (event) => logger[event.level](event.fields ?? {}, event.message);
}
