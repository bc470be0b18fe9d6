import type { RetryOptions, RetryOutcome } from '../core/recover/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, EXIT, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { stoppedVerdict } from './stopped.js';
import { acceptedOf, counted, grouped } from '../core/words.js';

export interface RetryFlags {
  readonly job?: number;
  readonly error?: string;
  readonly id?: string;
  readonly force?: boolean;
  readonly otherJoins?: boolean;
  readonly dryRun?: boolean;
}

/** `es-migrate retry`. */
export async function retry(flags: RetryFlags, context: CommandContext): Promise<Verdict> {
  const { job, error, id, force = false, otherJoins, dryRun = false } = flags;
  if (otherJoins && (force || error !== undefined || id !== undefined)) {
    const { usage } = await import('../core/errors.js');
    throw usage(
      '--other-joins is about completed messages, --error, --id and --force are about failed ones',
      'Give one of them; what has failed is requeued by another "es-migrate retry".',
    );
  }
  const options = { jobId: job, errorCode: error, messageId: id, force, otherJoins, dryRun };
  return withConnections(
    context,
    { needs: { source: otherJoins ?? false, target: false }, sends: !dryRun, works: !dryRun },
    () => options,
    async ({ run, on }) => {
      const core = await import('../core/index.js');
      const outcome = await core.retry(run, on, options);
      const { completed, left, accepted, requeued, acceptancesEnded, remaining } = outcome;
      const counts = { completed, failed: left, accepted, requeued, acceptancesEnded, remaining };
      const json = {
        ...counts,
        ...(otherJoins && { held: outcome.held }),
        ...(dryRun && { dryRun }),
      };
      printResult(context, json, linesOf(outcome, options));
      const { held = 0 } = outcome;
      if (held > 0) return { code: EXIT.busy, next: heldNext(held) };
      const open = left - accepted;
      const stopped = stoppedVerdict(context, outcome.notReached, 'message');
      if (stopped) return stopped;
      return open === 0 ? done : { code: EXIT.leftOver, next: stayFailed(open, force) };
    },
  );
}

function heldNext(held: number): string {
  return `${counted(held, 'batch')} ${held === 1 ? 'is' : 'are'} held by others: stop the processes that have the other joins, then run the same command again`;
}

function linesOf(
  { reasons, requeued, acceptancesEnded, left, accepted, remaining }: RetryOutcome,
  { errorCode, dryRun }: RetryOptions,
): string[] {
  const why = reasons.map(({ code, messages }) => `  ${code}: ${grouped(messages)}`);
  // A code that nobody has heard of looks the same.
  const none = `no message failed with ${errorCode} can be requeued; "es-migrate errors" lists the codes there are`;
  const did = dryRun ? 'would be requeued; nothing was changed' : 'requeued';
  return [
    ...(why.length > 0 ? ['failed with:', ...why] : []),
    ...(why.length === 0 && errorCode !== undefined ? [none] : []),
    `${counted(requeued, 'message')} ${did}; ${grouped(left)} stay failed${acceptedOf(accepted)}, ${grouped(remaining)} remain to be processed`,
    ...(acceptancesEnded > 0
      ? [
          `${grouped(acceptancesEnded)} of the requeued had been accepted: that ${dryRun ? 'would end' : 'has ended'}`,
        ]
      : []),
  ];
}

function stayFailed(left: number, force: boolean): string {
  const how = force
    ? ''
    : '; "es-migrate retry --force" requeues those without attempts left and permanent failures, too';
  return `${counted(left, 'message')} ${left === 1 ? 'stays' : 'stay'} failed; "es-migrate errors" says why${how}`;
}
