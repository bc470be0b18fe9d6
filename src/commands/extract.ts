import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import type { Verdict } from './exit-codes.js';
import { extractJson, extractLines, extractVerdict } from './extract-report.js';
import { printResult } from './output.js';
import { extractOptions, type RangeFlags } from './range-options.js';

/** `es-migrate extract`. */
export async function extract(flags: RangeFlags, context: CommandContext): Promise<Verdict> {
  return withConnections(
    context,
    {
      needs: { source: true, target: false },
      flags,
      readOnly: flags.dryRun ?? false,
      works: !(flags.dryRun ?? false),
      sends: !flags.dryRun,
    },
    (settings) => extractOptions(flags, settings),
    async ({ run, on, terminal }, options) => {
      const core = await import('../core/index.js');
      const outcome = await core.extract(run, on, options);
      terminal.close();
      printResult(context, extractJson(outcome), extractLines(outcome));
      return extractVerdict(outcome, context.stop.exitCode);
    },
  );
}
