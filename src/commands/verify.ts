import { withConnections } from './connected.js';
import type { CommandContext } from './context.js';
import type { Verdict } from './exit-codes.js';
import { printResult } from './output.js';
import type { VerifyOnlyFlags } from './verify-flags.js';
import { verifyOptions } from './verify-options.js';
import { verifyJson, verifyLines } from './verify-report.js';
import { verifyVerdict } from './verify-verdict.js';

/** `es-migrate verify`. Nothing is written but its own progress, and with `--repair` what that says. */
export async function verify(flags: VerifyOnlyFlags, context: CommandContext): Promise<Verdict> {
  return withConnections(
    context,
    { needs: { source: true, target: true }, prefix: 'require', works: true },
    () => verifyOptions(flags, context.cwd),
    async ({ run, on, terminal }, options) => {
      const core = await import('../core/index.js');
      const outcome = await core.verify(run, on, options);
      const jobs = await core.verifiedJobs(on, options.jobs);
      terminal.close();
      printResult(context, verifyJson(outcome), verifyLines(outcome, options, jobs));
      return verifyVerdict(outcome, options, jobs, context.stop.exitCode);
    },
  );
}
