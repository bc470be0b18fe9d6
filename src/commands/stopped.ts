import type { CommandContext } from './context.js';
import type { Verdict } from './exit-codes.js';
import { counted } from '../core/words.js';

/**
 * How a command ends that a signal has stopped between two steps; undefined where none has.
 *
 * @param notReached what it was to do and has not begun, undefined where it was not stopped
 * @param noun one of those
 */
export function stoppedVerdict(
  { stop }: Pick<CommandContext, 'stop'>,
  notReached: number | undefined,
  noun: string,
): Verdict | undefined {
  if (notReached === undefined) return undefined;
  const left =
    notReached === 0
      ? 'nothing is left of what it was to do'
      : `${counted(notReached, noun)} ${notReached === 1 ? 'is left as it was' : 'are left as they were'}; the same command goes on from there`;
  return { code: stop.exitCode, next: `it was stopped: ${left}` };
}
