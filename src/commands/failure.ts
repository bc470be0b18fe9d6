import { isFault } from '../core/fault.js';
import { isMigrateError } from '../core/errors.js';
import { serverText } from '../core/server-text.js';
import { EXIT } from './exit-codes.js';

/** An error as one JSON object, where results are: `--json` prints one whatever happens. */
export interface ErrorJson {
  readonly code: number;
  readonly kind: 'usage' | 'unavailable' | 'busy' | 'bug' | 'stopped';
  readonly message: string;
  /** What to do next. */
  readonly advice: string | null;
}

const KINDS: Readonly<Record<number, ErrorJson['kind']>> = {
  [EXIT.usage]: 'usage',
  [EXIT.unavailable]: 'unavailable',
  [EXIT.busy]: 'busy',
};

/** What is printed of an error that ends the command with this code. */
export function errorJson(error: unknown, code: number): ErrorJson {
  const { message, advice } = partsOf(error);
  return { code, kind: KINDS[code] ?? 'bug', message: message.join('\n'), advice: advice ?? null };
}

/** An error as lines for the user; without `verbose` never a stack trace. */
export function explain(error: unknown, verbose: boolean): string[] {
  const stack = verbose && error instanceof Error ? stackOf(error) : [];
  const { message, advice } = partsOf(error);
  if (advice === IS_BUG) return [`${message.join(' ')}; ${advice}`, ...stack];
  return [...message, ...(advice === undefined ? [] : [advice]), ...stack];
}

/** What is wrong, in lines, and what to do. */
function partsOf(error: unknown): { message: readonly string[]; advice: string | undefined } {
  if (isMigrateError(error)) {
    const advice = error.advice ?? (error.kind === 'unavailable' ? COME_BACK : undefined);
    return { message: error.message.split('\n'), advice };
  }
  if (isFault(error)) {
    const what = `${error.server}: ${error.message} (${serverText(error.code)})`;
    return { message: [what], advice: error.class === 'retriable' ? COME_BACK : WILL_NOT };
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { message: [serverText(text, LONGEST_BUG)], advice: IS_BUG };
}

const COME_BACK = 'when it is back, run the same command again: it goes on where it stopped';
const WILL_NOT =
  'it will not take this request however often it is sent: look there, and at the configuration';
const IS_BUG = 'this is a bug; --verbose shows where it happened';

/** Longest message of an unexpected error, in characters: it may be a server's. */
const LONGEST_BUG = 4_096;

/** Where it happened, in lines. Its message is one of them, whatever it holds. */
function stackOf(error: Error): string[] {
  const cause = error.cause instanceof Error ? ['caused by', ...stackOf(error.cause)] : [];
  const stack = error.stack ?? '';
  const begins = stack.indexOf('\n    at ');
  const frames = begins < 0 ? [] : stack.slice(begins + 1).split('\n');
  const head = serverText(`${error.name}: ${error.message}`, LONGEST_BUG);
  return [head, ...frames.filter((line) => line.startsWith('    at ')), ...cause];
}
