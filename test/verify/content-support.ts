import { loadSettings } from '../../src/config/load.js';
import { currentUser } from '../../src/host/user.js';
import { connect, type Connections } from '../../src/core/connect.js';
import { extract } from '../../src/core/extract/extract.js';
import { processBatches } from '../../src/core/process/process.js';
import type { Run } from '../../src/core/run.js';
import { ALL_JOBS } from '../../src/core/tracking/scope.js';
import { verifyContent, type ContentOptions } from '../../src/core/verify/content.js';
import type { Finding, FindingKind, Findings } from '../../src/core/verify/types.js';
import { quietRun } from '../support/core.js';
import type { Project } from '../support/project.js';

/** What was found, in its order. */
export class Collected implements Findings {
  readonly found: Finding[] = [];
  readonly sameKeys: string[] = [];
  same_ = 0;

  same(path: string, messages: number): void {
    this.sameKeys.push(path);
    this.same_ += messages;
  }

  add(finding: Finding): void {
    this.found.push(finding);
  }

  /** Kind and id of each message found, or kind and count where it is about more. */
  get summary(): string[] {
    return this.found
      .map(({ kind, message, count }) => `${kind} ${message?.id.toString() ?? `of ${count ?? 1}`}`)
      .sort();
  }

  of(kind: FindingKind): Finding[] {
    return this.found.filter((finding) => finding.kind === kind);
  }
}

/** The project's connections, as its commands would have them. */
function connectTo(
  { cwd, env }: Project,
  run: Run,
  prefix: 'claim' | 'require',
): Promise<Connections> {
  const needs = { source: true, target: true };
  const user = currentUser({});
  const { settings } = loadSettings({ user, cwd, env, flags: {}, configPath: undefined, needs });
  return connect(settings, { ...needs, prefix }, run);
}

/** Extracts and processes a range, all of it. */
export async function migrate(project: Project, range: { from: Date; to: Date }): Promise<void> {
  const run = quietRun();
  const on = await connectTo(project, run, 'claim');
  const [from, to] = [range.from.getTime(), range.to.getTime()];
  try {
    await extract(run, on, { from, to, startDate: undefined, slices: 2, dryRun: false });
    const { failedInAll, remaining } = await processBatches(run, on, {
      concurrency: 4,
      maxBatches: undefined,
      maxRuntimeMs: undefined,
      watch: false,
      retryFailed: false,
    });
    if (failedInAll + remaining > 0) throw new Error('not everything was migrated');
  } finally {
    await on.close();
  }
}

export interface ComparedContent {
  readonly collected: Collected;
  readonly checkpoints: readonly number[];
}

/** The content stage alone, over all jobs. */
export async function compareContent(
  project: Project,
  options: Partial<ContentOptions> = {},
  { run = quietRun(), checkpoint }: { run?: Run; checkpoint?: () => void } = {},
): Promise<ComparedContent> {
  const on = await connectTo(project, run, 'require');
  const collected = new Collected();
  const checkpoints: number[] = [];
  try {
    await verifyContent(
      run,
      on,
      {
        verifyId: 0,
        findings: collected,
        afterBatch: 0,
        sample: 1,
        seed: 1,
        scope: ALL_JOBS,
        progress: () => undefined,
        ...options,
      },
      (afterBatch) => {
        checkpoints.push(afterBatch);
        checkpoint?.();
        return Promise.resolve();
      },
    );
  } finally {
    await on.close();
  }
  return { collected, checkpoints };
}
