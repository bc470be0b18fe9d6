import { withConnections, type CommandContext } from './context.js';
import type { Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import {
  processJson,
  processLines,
  processOptions,
  processVerdict,
  type ProcessFlags,
} from './process-report.js';

/** `es-migrate process`. */
export async function process(flags: ProcessFlags, context: CommandContext): Promise<Verdict> {
  return withConnections(
    context,
    { needs: { source: true, target: true }, flags },
    (settings) => processOptions(flags, settings),
    async ({ run, on, terminal }, options) => {
      const core = await import('../core/index.js');
      const outcome = await core.processBatches(run, on, options);
      terminal.close();
      printResult(context, processJson(outcome), processLines(outcome));
      return processVerdict(outcome, context.stop.exitCode);
    },
  );
}
