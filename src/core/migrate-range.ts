import type { Connections } from './connect.js';
import { extract } from './extract/extract.js';
import { noMessages } from './extract/survey.js';
import type { ExtractOptions, ExtractOutcome, NoMessages } from './extract/types.js';
import { processBatches } from './process/process.js';
import type { Carry, ProcessOptions, ProcessOutcome } from './process/types.js';
import { jobsOfRange, type RangeJobs } from './range/jobs.js';
import { waitForExtraction, waitForOthers } from './range/waiting.js';
import { sleep } from './retry.js';
import type { Run } from './run.js';
import { hasClaimable } from './tracking/claim-next.js';
import { jobTotals } from './tracking/jobs.js';
import { jobsToRequeue } from './tracking/requeue.js';
import { onlyJobs } from './tracking/scope.js';
import type { VerifyOptions, VerifyOutcome } from './verify/types.js';
import { verify } from './verify/verify.js';

/** Before failed messages are tried again: 2 s, then twice as long each time. */
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 5 * 60_000;
/** How often a verification that runs elsewhere is asked for again, in milliseconds. */
const VERIFY_AGAIN_MS = 10_000;

export type RangeOutcome =
  | {
      readonly kind: 'done';
      readonly extract: ExtractOutcome;
      /** What was processed, verified and judged. */
      readonly jobs: RangeJobs;
      readonly process: ProcessOutcome;
      /** Undefined where messages remain, here or with others: there is nothing to prove yet. */
      readonly verify: VerifyOutcome | undefined;
      /** Where no message lies in the range. */
      readonly noMessages: NoMessages | undefined;
    }
  /** Nothing was processed: the extraction is held elsewhere, was stopped, or only looked (`dryRun`). */
  | { readonly kind: 'not-extracted'; readonly extract: ExtractOutcome };

export interface RangeOptions {
  readonly extract: ExtractOptions;
  /** `jobs` follows from the range. */
  readonly process: Omit<ProcessOptions, 'jobs'>;
  /** `jobs` follows from the range. */
  readonly verify: Omit<VerifyOptions, 'jobs'>;
}

/**
 * The whole one-off: extracts a range, processes it until nothing has attempts left, then verifies it. It is about the messages of
 * that range: the batches of its own jobs, and of other jobs that had messages of it already. What others hold of these is waited
 * for, until they are done or their leases have run out.
 *
 * @param carry who carries the batches; this process, unless said
 */
export async function migrateRange(
  run: Run,
  on: Connections,
  options: RangeOptions,
  carry?: Carry,
): Promise<RangeOutcome> {
  const until = deadline(run, options.process);
  const extracted = await extractWhenFree(run, on, options, until);
  if (extracted.kind !== 'done' && extracted.kind !== 'nothing-new')
    return { kind: 'not-extracted', extract: extracted };
  const jobs = await jobsOfRange(run, on, extracted, options);
  const scope = [...jobs.own, ...jobs.met];
  const processed = await processAll(
    run,
    on,
    { ...options.process, ...timeLeft(run, until), jobs: scope },
    until,
    carry,
  );
  const { ended, remaining, heldByOthers } = processed;
  const isOver = ended === 'nothing-left' && remaining + heldByOthers === 0 && scope.length > 0;
  const verified = isOver
    ? await verifyWhenFree(run, on, { ...options.verify, jobs: scope }, until)
    : undefined;
  return {
    kind: 'done',
    extract: extracted,
    jobs,
    process: processed,
    verify: verified,
    noMessages: extracted.noMessages ?? (await emptyAgain(run, on, extracted, jobs)),
  };
}

/** Where nothing is new and the last job found no message either: the range that is named is still empty. */
async function emptyAgain(
  run: Run,
  on: Connections,
  { kind }: ExtractOutcome,
  { own }: RangeJobs,
): Promise<NoMessages | undefined> {
  if (kind !== 'nothing-new' || run.stop.aborted) return undefined;
  for (const job of own) if ((await jobTotals(on.database, job)).expected > 0) return undefined;
  return noMessages(run, on);
}

/** Where somebody else extracts the same job, that is waited for. */
async function extractWhenFree(
  run: Run,
  on: Connections,
  options: RangeOptions,
  until: number | undefined,
): Promise<ExtractOutcome> {
  for (;;) {
    const extracted = await extract(run, on, options.extract);
    if (extracted.kind !== 'busy') return extracted;
    if (await waitForExtraction(run, on, extracted.jobId, until)) continue;
    return run.stop.aborted ? { kind: 'stopped', jobs: [] } : extracted;
  }
}

/** Processes until nothing is left that could be done, here or by those who hold batches of these jobs. */
async function processAll(
  run: Run,
  on: Connections,
  options: ProcessOptions & { readonly jobs: readonly number[] },
  until: number | undefined,
  carry: Carry | undefined,
): Promise<ProcessOutcome> {
  let total = await processBatches(run, on, options, carry);
  let pauseMs = FIRST_PAUSE_MS;
  while (total.ended === 'nothing-left') {
    if (await hasAttemptsLeft(on, options)) {
      // What made them fail may pass: the rounds come at growing distances.
      const left = until === undefined ? pauseMs : Math.max(0, until - run.clock.now());
      await sleep(Math.min(pauseMs, left), run.stop).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    } else if (
      total.heldByOthers > 0 ||
      (await hasClaimable(on.database, onlyJobs(options.jobs)))
    ) {
      const isFree = await waitForOthers(run, on, options.jobs, until);
      if (!isFree && !run.stop.aborted) break;
    } else break;
    const left = timeLeft(run, until);
    total = sum(total, await processBatches(run, on, { ...options, ...left }, carry));
  }
  return total;
}

function timeLeft({ clock }: Run, until: number | undefined): { maxRuntimeMs?: number } {
  return until === undefined ? {} : { maxRuntimeMs: Math.max(0, until - clock.now()) };
}

function sum(before: ProcessOutcome, next: ProcessOutcome): ProcessOutcome {
  return {
    ...next,
    completed: before.completed + next.completed,
    // Those put back had been counted as failed: each message counts once.
    failed: before.failed - Math.min(before.failed, next.requeued) + next.failed,
    requeued: before.requeued + next.requeued,
    lost: before.lost + next.lost,
  };
}

/** Where the same verification runs elsewhere, that is waited for. */
async function verifyWhenFree(
  run: Run,
  on: Connections,
  options: VerifyOptions,
  until: number | undefined,
): Promise<VerifyOutcome> {
  for (;;) {
    const verified = await verify(run, on, options);
    const left = until === undefined ? VERIFY_AGAIN_MS : until - run.clock.now();
    if (verified.ended !== 'busy' || left <= 0) return verified;
    await sleep(Math.min(VERIFY_AGAIN_MS, left), run.stop).catch(() => undefined);
    if (run.stop.aborted) return { ...verified, ended: 'stopped' };
  }
}

/** When a run ends that is given so long, in milliseconds by its clock. */
function deadline(run: Run, { maxRuntimeMs }: Pick<ProcessOptions, 'maxRuntimeMs'>) {
  return maxRuntimeMs === undefined ? undefined : run.clock.now() + maxRuntimeMs;
}

/** Whether `process` would put failed messages back; each round costs them an attempt, so the rounds end. */
async function hasAttemptsLeft(
  { database, settings: { maxAttempts } }: Connections,
  { retryFailed, jobs }: ProcessOptions & { readonly jobs: readonly number[] },
): Promise<boolean> {
  if (!retryFailed) return false;
  const scope = { jobs: onlyJobs(jobs), force: false, maxAttempts };
  return (await jobsToRequeue(database, scope)).length > 0;
}
