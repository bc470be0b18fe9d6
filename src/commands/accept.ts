import { hostname, userInfo } from 'node:os';
import type { AcceptOptions, AcceptOutcome } from '../core/recover/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { stoppedVerdict } from './stopped.js';
import { counted, grouped } from '../core/words.js';

export interface AcceptFlags {
  readonly job?: number;
  readonly window?: number;
  readonly error?: string;
  readonly id?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
}

/** `es-migrate accept`. */
export async function accept(flags: AcceptFlags, context: CommandContext): Promise<Verdict> {
  const { job, window, error, id, reason, dryRun = false } = flags;
  const options: AcceptOptions = {
    jobId: job,
    windowId: window,
    errorCode: error,
    messageId: id,
    reason,
    by: `${userName(context)}@${hostname()}`,
    dryRun,
  };
  return withConnections(
    context,
    { needs: { source: false, target: false } },
    () => options,
    async ({ run, on }) => {
      const core = await import('../core/index.js');
      const outcome = await core.accept(run, on, options);
      printResult(context, { ...outcome, ...(dryRun && { dryRun }) }, linesOf(outcome, options));
      return stoppedVerdict(context, outcome.notReached, 'message') ?? done;
    },
  );
}

/** A container may run under a number that has no name. */
function userName({ env }: CommandContext): string {
  try {
    return userInfo().username;
  } catch {
    return env['USER'] ?? String(process.getuid?.() ?? 'unknown');
  }
}

function linesOf(outcome: AcceptOutcome, { windowId, jobId, dryRun }: AcceptOptions): string[] {
  const { byCode, accepted, acceptedBefore, failed, acceptedInAll } = outcome;
  const did = dryRun ? 'would be accepted; nothing was changed' : 'accepted';
  if (windowId !== undefined) {
    const window = `window ${windowId} of job ${jobId ?? ''}`;
    return [outcome.windows > 0 ? `${window} ${did}` : `${window} was accepted before`];
  }
  const before = acceptedBefore > 0 ? `; ${grouped(acceptedBefore)} had been accepted before` : '';
  return [
    ...byCode.map(({ code, messages }) => `  ${code}: ${grouped(messages)}`),
    `${counted(accepted, 'message')} ${did}${before}`,
    ...(accepted > 0 && !dryRun
      ? ['they stay failed; "es-migrate retry" with --id, --error or --force tries them again']
      : []),
    ...(failed - acceptedInAll > 0
      ? [
          `${counted(failed - acceptedInAll, 'message')} ${failed - acceptedInAll === 1 ? 'is' : 'are'} failed and not accepted; "es-migrate errors" says why`,
        ]
      : []),
  ];
}
