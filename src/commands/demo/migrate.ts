import { sandboxEnvironment } from '../../../sandbox/environment.js';
import type { Sandbox } from '../../../sandbox/index.js';
import { loadSettings } from '../../config/load.js';
import {
  connect,
  migrateRange,
  status,
  verifiedJobs,
  type Interval,
  type Run,
} from '../../core/index.js';
import { currentUser } from '../../host/user.js';
import type { VerifyOptions } from '../../core/verify/types.js';
import { foremost, type Verdict } from '../exit-codes.js';
import { extractLines, extractVerdict } from '../extract-report.js';
import { processLines, processVerdict } from '../process-report.js';
import { statusLines } from '../status-report.js';
import { verifyJson, verifyLines } from '../verify-report.js';
import { verifyVerdict } from '../verify-verdict.js';

export interface Migrated {
  readonly completed: number;
  readonly failed: number;
  readonly verdict: Verdict;
  /** What `run` and `status` print. */
  readonly lines: readonly string[];
  /** What `verify --level content` prints, for people and as JSON; nothing where it did not come to it. */
  readonly proof: readonly string[];
  readonly verify: object | undefined;
}

const VERIFY: VerifyOptions = {
  level: 'content',
  sample: 1,
  jobs: undefined,
  restart: false,
  repair: false,
  diffFile: undefined,
};

/**
 * What `es-migrate run --level content` does, from the same configuration file and environment that a user would have.
 *
 * @param configPath an es-migrate.yaml for the sandbox
 * @throws the stop signal's reason when it was stopped
 */
export async function migrateSample(
  run: Run,
  sandbox: Sandbox,
  configPath: string,
  { from, to }: Interval,
): Promise<Migrated> {
  const env = sandboxEnvironment(sandbox);
  useAwsVariables(env);
  const needs = { source: true, target: true };
  const user = currentUser(env);
  const { settings } = loadSettings({ cwd: sandbox.dir, env, flags: {}, configPath, needs, user });
  const on = await connect(settings, needs, run);
  try {
    const { concurrency } = settings;
    const outcome = await migrateRange(run, on, {
      extract: { from, to, startDate: undefined, slices: 2, dryRun: false },
      process: {
        concurrency,
        maxBatches: undefined,
        maxRuntimeMs: undefined,
        watch: false,
        retryFailed: true,
      },
      verify: VERIFY,
    });
    run.stop.throwIfAborted();
    const report = await status(run, on, {});
    const processed = outcome.kind === 'done' ? [outcome.process] : [];
    const verified = outcome.kind === 'done' && outcome.verify ? [outcome.verify] : [];
    const scope = outcome.kind === 'done' ? [...outcome.jobs.own, ...outcome.jobs.met] : [];
    const jobs = await verifiedJobs(on, scope);
    return {
      completed: report.messages.completed,
      failed: report.messages.failed,
      verdict: foremost([
        extractVerdict(outcome.extract, 0),
        ...processed.map((one) => processVerdict(one, 0)),
        ...verified.map((one) => verifyVerdict(one, VERIFY, jobs, 0)),
      ]),
      verify: verified[0] && verifyJson(verified[0]),
      proof: verified.flatMap((one) => verifyLines(one, VERIFY, jobs)),
      lines: [
        ...extractLines(outcome.extract),
        ...processed.flatMap(processLines),
        '',
        ...statusLines(report),
      ],
    };
  } finally {
    await on.close();
  }
}

/** The AWS SDK reads this process's own environment, where a profile of the user's would come before these keys. */
function useAwsVariables(env: Readonly<Record<string, string>>): void {
  const isAws = (name: string) => name.startsWith('AWS_');
  for (const name of Object.keys(process.env).filter(isAws))
    Reflect.deleteProperty(process.env, name);
  Object.assign(
    process.env,
    Object.fromEntries(Object.entries(env).filter(([name]) => isAws(name))),
  );
}
