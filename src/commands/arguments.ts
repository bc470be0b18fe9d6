import { InvalidArgumentError } from 'commander';
import { DURATION_FORM, parseDuration } from '../config/durations.js';
import type { HealthAddress } from '../monitor/health.js';
import type { Processes } from './workers/count.js';

/** Timers take 32-bit milliseconds, 24.8 days. */
const LONGEST_MS = 24 * 86_400_000;

/** Reads a flag's whole number. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Give a whole number ${range}.`);
  };
}

/** Reads the `--job` of a command that also takes the job extracted last. */
export function jobOrLast(text: string): number | 'last' {
  if (text === 'last') return text;
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= Number.MAX_SAFE_INTEGER) return value;
  throw new InvalidArgumentError("Give a job's number, which es-migrate status lists, or last.");
}

/** Reads `--processes`. */
export function processes(text: string): Processes {
  if (text === 'auto') return text;
  const value = /^\d+$/.test(text) ? Number(text) : 0;
  if (value >= 1) return value;
  throw new InvalidArgumentError('Give a whole number of 1 or more, or auto.');
}

/** Reads `--health-port`: a port, on this host alone, or an address and a port. */
export function healthAddress(text: string): HealthAddress {
  const [, host = '127.0.0.1', digits = ''] = /^(?:(.+):)?(\d+)$/.exec(text) ?? [];
  const port = digits === '' ? NaN : Number(digits);
  if (port <= 65_535) return { host: host.replace(/^\[(.*)\]$/, '$1'), port };
  throw new InvalidArgumentError(
    'Give a port such as 9464, or an address and a port such as 0.0.0.0:9464.',
  );
}

/** Reads a flag's duration, in milliseconds. */
export function milliseconds(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined && value <= LONGEST_MS) return value;
  throw new InvalidArgumentError(`Give ${DURATION_FORM}, at most 24d.`);
}
