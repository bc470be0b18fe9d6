import { isFault } from '../core/fault.js';
import { isMigrateError } from '../core/errors.js';

/** Every exit code but those of signals. Where several hold, the first of 2, 5, 3, 4 that does. */
export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  leftOver: 3,
  busy: 4,
  unavailable: 5,
} as const;

export type StopSignal = 'SIGINT' | 'SIGTERM';

/** 128 + the signal's number, as shells count. */
export const SIGNAL_EXIT: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** How a command ended. */
export interface Verdict {
  readonly code: number;
  /** What to do next, told on the last line of stderr. */
  readonly next?: string;
}

export const done: Verdict = { code: EXIT.done };

/** The exit code of an error that no command expected to be its outcome. */
export function exitCodeOf(error: unknown): number {
  if (isFault(error)) return error.class === 'retriable' ? EXIT.unavailable : EXIT.usage;
  if (!isMigrateError(error)) return EXIT.bug;
  return { usage: EXIT.usage, busy: EXIT.busy, unavailable: EXIT.unavailable }[error.kind];
}

/** Between the parts of what to do next. */
const AND = '; ';

/** What to do about failed messages: the same words wherever it is said, so that they are said once. */
export const ABOUT_FAILED = [
  '"es-migrate errors" says why, and what puts them back',
  '"es-migrate accept" settles what cannot be had',
].join(AND);

/** The first verdict that counts, of those of a run in several stages; what to do next is said by all of its kind, each thing once. */
export function foremost(verdicts: readonly Verdict[]): Verdict {
  const order: readonly number[] = [
    130,
    143,
    EXIT.usage,
    EXIT.unavailable,
    EXIT.leftOver,
    EXIT.busy,
  ];
  const ranked = verdicts.filter(({ code }) => code !== EXIT.done);
  const [first] = ranked.sort((a, b) => order.indexOf(a.code) - order.indexOf(b.code));
  if (!first) return done;
  const next = ranked
    .filter(({ code }) => code === first.code)
    .flatMap((one) => one.next?.split(AND) ?? []);
  return next.length > 0 ? { code: first.code, next: [...new Set(next)].join(AND) } : first;
}

const MEANINGS: Readonly<Record<number, string>> = {
  0: 'done, nothing left over',
  1: 'a bug: unexpected error; or the result could not be written to stdout',
  2: 'usage, configuration or permission; nothing was touched, unless a permission was missed on the way',
  3: 'finished, but messages are failed and not accepted, a window could not be read whole, verify found a difference, or no message lies in the range of run',
  4: 'others hold what is left, or no message of the queue names it, or the same job is being extracted or verified elsewhere',
  5: 'a server was down for longer than retryFor; everything claimed has been released',
  130: 'stopped by SIGINT (143: by SIGTERM) after finishing or releasing what was in flight',
};

/** The end of a command's help. */
export function exitStatus(codes: readonly number[]): string {
  const lines = codes.map((code) => `  ${String(code).padEnd(5)}${MEANINGS[code] ?? ''}`);
  return ['Exit status:', ...lines].join('\n');
}
