import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import type { Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import {
  processJson,
  processLines,
  processOnlyOptions,
  processVerdict,
  type ProcessOnlyFlags,
} from './process-report.js';
import { workforceOf } from './workers/workforce.js';

/** `es-migrate process`. */
export async function process(flags: ProcessOnlyFlags, context: CommandContext): Promise<Verdict> {
  return withConnections(
    context,
    {
      needs: { source: true, target: true, queue: flags.queue ?? false },
      flags,
      healthAddress: flags.healthPort,
      works: true,
    },
    async (settings) => ({
      options: processOnlyOptions(flags, settings),
      workforce: await workforceOf(flags, settings),
    }),
    async ({ run, on, terminal }, { options, workforce: { carry, cautions } }) => {
      for (const message of cautions) terminal.log({ level: 'warn', message });
      const core = await import('../core/index.js');
      const jobs = await core.namedJobs(on, flags.job);
      const outcome = await core.processBatches(run, on, { ...options, jobs }, carry);
      terminal.close();
      printResult(context, processJson(outcome), processLines(outcome));
      return processVerdict(outcome, context.stop.exitCode, flags.queue);
    },
  );
}
