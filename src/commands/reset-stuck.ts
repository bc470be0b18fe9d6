import type { ResetStuckOutcome } from '../core/recover/types.js';
import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import { done, type Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import { stoppedVerdict } from './stopped.js';
import { counted } from '../core/words.js';

export interface ResetStuckFlags {
  /** Milliseconds. */
  readonly olderThan: number;
  readonly dryRun?: boolean;
}

/** `es-migrate reset-stuck`. */
export async function resetStuck(
  flags: ResetStuckFlags,
  context: CommandContext,
): Promise<Verdict> {
  const options = { olderThanMs: flags.olderThan, dryRun: flags.dryRun ?? false };
  return withConnections(
    context,
    { needs: { source: false, target: false }, sends: !options.dryRun, works: !options.dryRun },
    () => options,
    async ({ run, on }) => {
      const core = await import('../core/index.js');
      const outcome = await core.resetStuck(run, on, options);
      printResult(
        context,
        { ...outcome, ...(options.dryRun && { dryRun: true }) },
        linesOf(outcome, options.dryRun),
      );
      return stoppedVerdict(context, outcome.notReached, 'lease') ?? done;
    },
  );
}

function linesOf({ batches, extractions }: ResetStuckOutcome, dryRun: boolean): string[] {
  if (batches.length + extractions.length === 0) return ['nothing is stuck'];
  const did = dryRun ? 'would be claimable again; nothing was changed' : 'claimable again';
  return [
    ...batches.map(
      ({ batchId, jobId, messages, owner, expiredAt }) =>
        `batch ${batchId} of job ${jobId}: ${counted(messages, 'message')}, held by ${owner} until ${expiredAt.toISOString()}`,
    ),
    ...extractions.map(
      ({ jobId, owner, expiredAt }) =>
        `extraction of job ${jobId}: held by ${owner} until ${expiredAt.toISOString()}`,
    ),
    `${counted(batches.length, 'batch')} and ${counted(extractions.length, 'extraction')} ${did}`,
  ];
}
