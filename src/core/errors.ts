import { oneLine, shortened } from './one-line.js';
import { scrub } from './secrets/known.js';

/** Longest line of a message, in characters: an id has up to 512 bytes, which escaped may be 3,072. */
const LONGEST_LINE = 8_192;

/**
 * What went wrong, by what has to happen next. One place in the commands maps kinds to exit codes.
 *
 * - `usage`: flags, configuration or permission; nothing was touched, unless a permission is missed on the way; the user has to change something.
 * - `unavailable`: a server was down for longer than `retryFor`; everything claimed has been released.
 * - `busy`: somebody else holds what this run needs.
 */
export type ErrorKind = 'usage' | 'unavailable' | 'busy';

/** An error a user can act on: one line that says what is wrong, one that says what to do. */
export class MigrateError extends Error {
  override readonly name = 'MigrateError';
  readonly kind: ErrorKind;
  /** What to do next, as an imperative sentence. */
  readonly advice: string | undefined;

  /** @param message one line; or several, since a line break within one becomes a space: it may come from a server or from data */
  constructor(
    kind: ErrorKind,
    message: string | readonly string[],
    options: { advice?: string; cause?: unknown } = {},
  ) {
    const lines = typeof message === 'string' ? [message] : message;
    super(
      lines.map(clean).join('\n'),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.kind = kind;
    this.advice = options.advice;
  }
}

/** A `usage` error: see {@link ErrorKind}. */
export function usage(
  message: string | readonly string[],
  advice?: string,
  cause?: unknown,
): MigrateError {
  return new MigrateError('usage', message, { ...(advice && { advice }), cause });
}

function clean(line: string): string {
  return shortened(oneLine(scrub(line)), LONGEST_LINE);
}

/** True for an error a user can act on, also across two copies of this package. */
export function isMigrateError(error: unknown): error is MigrateError {
  return error instanceof Error && error.name === 'MigrateError' && 'kind' in error;
}

/** True for what only the user can change: the same will not do later. */
export function isUsage(error: unknown): boolean {
  return isMigrateError(error) && error.kind === 'usage';
}
