import { withConnections, type CommandContext } from './context.js';
import { foremost, type Verdict } from './exit-codes.js';
import { extractJson, extractLines, extractVerdict } from './extract-report.js';
import { printResult } from './output.js';
import {
  processJson,
  processLines,
  processOptions,
  processVerdict,
  type ProcessFlags,
} from './process-report.js';
import { extractOptions, type RangeFlags } from './range-options.js';

/** `es-migrate run`: extract, then process. */
export async function run(
  flags: RangeFlags & ProcessFlags,
  context: CommandContext,
): Promise<Verdict> {
  return withConnections(
    context,
    { needs: { source: true, target: true }, flags, readOnly: flags.dryRun ?? false },
    (settings) => ({
      extract: extractOptions(flags, settings),
      process: processOptions(flags, settings),
    }),
    async ({ run: core, on, terminal }, options) => {
      const { migrateRange } = await import('../core/index.js');
      const outcome = await migrateRange(core, on, options);
      terminal.close();
      const stopCode = context.stop.exitCode;
      const extract = extractJson(outcome.extract);
      const extracted = extractVerdict(outcome.extract, stopCode);
      if (outcome.kind === 'not-extracted') {
        printResult(context, { extract }, extractLines(outcome.extract));
        return extracted;
      }
      const lines = [...extractLines(outcome.extract), ...processLines(outcome.process)];
      printResult(context, { extract, process: processJson(outcome.process) }, lines);
      return foremost([extracted, processVerdict(outcome.process, stopCode)]);
    },
  );
}
