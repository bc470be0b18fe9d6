import { isMigrateError, type MigrateError } from './errors.js';
import { oneLine, shortened } from './one-line.js';
import { scrub } from './secrets/known.js';
import { LONGEST_TEXT, serverCode } from './server-text.js';

/** What stands before a server's text, such as `PUT` and an object's address, has less than this, in characters. */
const LONGEST_PREFIX = 4_096;

/** The outside worlds, as they are named to users. */
export type Server = 'Elasticsearch' | 'MySQL' | 'S3' | 'SQS' | 'the target directory';

/**
 * A failed request to one of the outside worlds. Adapters throw nothing else but this and MigrateError
 * (what no retry can help: credentials, permission, missing bucket, full disk).
 *
 * - `retriable`: the server is slow, restarting, overloaded or unreachable; the one retry policy (retry.ts)
 *   tries again, and what it costs is time, never a message's attempt.
 * - `request`: this request is refused however often it is repeated; others may succeed.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly server: Server;
  readonly class: 'retriable' | 'request';
  /**
   * The server's own name for it, such as `SlowDown`, `ER_LOCK_DEADLOCK`, `circuit_breaking_exception`: exact, to be compared. It is shown
   * by `serverText`, since a server may name a secret there; so `inspect` and JSON leave it out.
   */
  declare readonly code: string;
  /** How long the server asked us to wait (`Retry-After`), in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The answer's HTTP status; undefined where there was no answer, or none of HTTP. */
  readonly status: number | undefined;
  /** What is told, instead of a server that is down, of a fault that outlasts the time it is retried. */
  readonly lasting: LastingFault | undefined;

  constructor(
    server: Server,
    faultClass: 'retriable' | 'request',
    code: string,
    message: string,
    options: {
      retryAfterMs?: number | undefined;
      status?: number | undefined;
      lasting?: LastingFault | undefined;
      cause?: unknown;
    } = {},
  ) {
    const text = shortened(oneLine(scrub(message)), LONGEST_TEXT + LONGEST_PREFIX);
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.server = server;
    this.class = faultClass;
    Object.defineProperty(this, 'code', { value: serverCode(code) });
    this.retryAfterMs = options.retryAfterMs;
    this.status = options.status;
    this.lasting = options.lasting;
  }
}

export interface LastingFault {
  /** `usage` where the server is well, and only the user can change what is wrong. */
  readonly kind: 'usage' | 'unavailable';
  /** Subject and verb, as `MySQL has been read-only`; that the server was down, unless said. */
  readonly says?: string;
  /** What to do, as an imperative sentence. */
  readonly advice: string | undefined;
}

export function isFault(error: unknown): error is Fault {
  return error instanceof Error && error.name === 'Fault' && 'server' in error && 'class' in error;
}

/** Whether it is what adapters throw. Anything else nobody foresaw. */
export function isForeseen(error: unknown): error is MigrateError | Fault {
  return isMigrateError(error) || isFault(error);
}

/** Reads a `Retry-After` header: seconds or an HTTP date. Undefined where it is absent or unreadable. */
export function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header.trim() === '') return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
