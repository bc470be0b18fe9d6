import { isFault } from '../core/fault.js';
import { isMigrateError } from '../core/errors.js';

/** An error as lines for the user; without `verbose` never a stack trace. */
export function explain(error: unknown, verbose: boolean): string[] {
  const stack = verbose && error instanceof Error ? stackOf(error) : [];
  return [...linesOf(error), ...stack];
}

function linesOf(error: unknown): string[] {
  if (isMigrateError(error)) {
    const advice = error.advice ?? (error.kind === 'unavailable' ? COME_BACK : undefined);
    return [...error.message.split('\n'), ...(advice === undefined ? [] : [advice])];
  }
  if (isFault(error)) {
    const what = `${error.server}: ${oneLine(error.message)} (${error.code})`;
    return error.class === 'retriable' ? [what, COME_BACK] : [what, WILL_NOT];
  }
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return [`${oneLine(text)}; ${IS_BUG}`];
}

const COME_BACK = 'when it is back, run the same command again: it goes on where it stopped';
const WILL_NOT =
  'it will not take this request however often it is sent: look there, and at the configuration';
const IS_BUG = 'this is a bug; --verbose shows where it happened';

function stackOf(error: Error): string[] {
  const cause = error.cause instanceof Error ? ['caused by', ...stackOf(error.cause)] : [];
  return [...(error.stack ?? '').split('\n'), ...cause];
}

const oneLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ');
