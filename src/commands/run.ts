import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
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
import { elsewhereVerdict, emptyVerdict, rangeLines } from './range-report.js';
import type { VerifyFlags } from './verify-flags.js';
import { verifyOptions } from './verify-options.js';
import { verifyJson, verifyLines } from './verify-report.js';
import { verifyVerdict } from './verify-verdict.js';
import { workforceOf } from './workers/workforce.js';

export type RunFlags = RangeFlags & ProcessFlags & VerifyFlags & { readonly allowEmpty?: boolean };

/** `es-migrate run`: extract, process, then verify. */
export async function run(flags: RunFlags, context: CommandContext): Promise<Verdict> {
  return withConnections(
    context,
    {
      needs: { source: true, target: true },
      flags,
      readOnly: flags.dryRun ?? false,
      works: !(flags.dryRun ?? false),
      healthAddress: flags.healthPort,
    },
    async (settings) => ({
      extract: extractOptions(flags, settings),
      process: processOptions(flags, settings),
      verify: await verifyOptions(flags, context.cwd),
      workforce: await workforceOf(flags, settings),
    }),
    async ({ run: core, on, terminal }, { workforce: { carry, cautions }, ...options }) => {
      for (const message of cautions) terminal.log({ level: 'warn', message });
      const { migrateRange, verifiedJobs } = await import('../core/index.js');
      const outcome = await migrateRange(core, on, options, carry);
      terminal.close();
      const stopCode = context.stop.exitCode;
      const extract = extractJson(outcome.extract);
      const extracted = extractVerdict(outcome.extract, stopCode);
      const empty = emptyVerdict(outcome, on.settings.source, flags.allowEmpty);
      if (outcome.kind === 'not-extracted') {
        printResult(context, { extract }, extractLines(outcome.extract));
        return foremost([extracted, empty]);
      }
      const { process: processed, verify: verified } = outcome;
      const jobs = await verifiedJobs(on, [...outcome.jobs.own, ...outcome.jobs.met]);
      const json = {
        extract,
        jobs: { own: outcome.jobs.own, met: outcome.jobs.met },
        process: processJson(processed),
        verify: verified ? verifyJson(verified) : null,
      };
      printResult(context, json, [
        ...extractLines(outcome.extract),
        ...rangeLines(outcome.jobs),
        ...processLines(processed),
        ...(verified ? verifyLines(verified, options.verify, jobs) : []),
      ]);
      const verdicts = [
        extracted,
        empty,
        elsewhereVerdict(outcome.jobs),
        processVerdict(processed, stopCode),
      ];
      if (verified) verdicts.push(verifyVerdict(verified, options.verify, jobs, stopCode));
      return foremost(verdicts);
    },
  );
}
