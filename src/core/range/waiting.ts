import type { Connections } from '../connect.js';
import { sleep } from '../retry.js';
import { measured, type Run } from '../run.js';
import { hasClaimable } from '../tracking/claim-next.js';
import { heldBatches } from '../tracking/claims.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { heldJobs } from '../tracking/jobs.js';
import type { Holder } from '../tracking/lease.js';
import { onlyJobs } from '../tracking/scope.js';

/** How often the leases of others are looked at, in milliseconds. */
const POLL_MS = 1_000;
/** How often it is said for whom a run waits, in milliseconds. */
const SAY_EVERY_MS = 10_000;

/** What others hold of some jobs. */
interface HeldByOthers {
  readonly batches: number;
  readonly extractions: number;
  /** Whose lease lasts longest. */
  readonly longest: Holder;
}

/**
 * Waits until others hold nothing of these jobs, or a batch of theirs can be claimed: given back, or its lease has run out. Says
 * every ten seconds for whom it waits, and how long at most.
 *
 * @param until when to end in any case, in milliseconds by the run's clock; undefined: never
 * @returns false where it ended before that, because it was late, or the run is to stop
 */
export async function waitForOthers(
  run: Run,
  { database }: Connections,
  jobs: readonly number[],
  until: number | undefined,
): Promise<boolean> {
  const scope = onlyJobs(jobs);
  return waitWhile(run, until, async () => {
    // What dies on this host while it is waited for.
    await endLeasesOfGone(run, database, 'batch_progress');
    await endLeasesOfGone(run, database, 'job_runs');
    if (await hasClaimable(database, scope)) return undefined;
    const batches = await heldBatches(database, scope);
    const extractions = await heldJobs(database, scope);
    return heldBy(batches, extractions);
  });
}

/** Waits until nobody holds this job's extraction; the rest is as with `waitForOthers`. */
export async function waitForExtraction(
  run: Run,
  { database }: Connections,
  jobId: number,
  until: number | undefined,
): Promise<boolean> {
  const nothing = { held: 0, longest: undefined };
  return waitWhile(run, until, async () => {
    await endLeasesOfGone(run, database, 'job_runs');
    return heldBy(nothing, await heldJobs(database, onlyJobs([jobId])));
  });
}

type Leases = Awaited<ReturnType<typeof heldBatches>>;

function heldBy(batches: Leases, extractions: Leases): HeldByOthers | undefined {
  const [longest] = [batches.longest, extractions.longest]
    .filter((holder) => holder !== undefined)
    .toSorted((a, b) => b.secondsLeft - a.secondsLeft);
  return longest && { batches: batches.held, extractions: extractions.held, longest };
}

/** @param look undefined where there is nothing to wait for any more */
async function waitWhile(
  run: Run,
  until: number | undefined,
  look: () => Promise<HeldByOthers | undefined>,
): Promise<boolean> {
  let saidAt: number | undefined;
  for (;;) {
    const held = await look();
    if (!held) return true;
    const left = until === undefined ? POLL_MS : until - run.clock.now();
    if (run.stop.aborted || left <= 0) return false;
    const now = performance.now();
    if (saidAt === undefined || now - saidAt >= SAY_EVERY_MS) {
      saidAt = now;
      run.report({ type: 'log', level: 'info', message: wordsOf(held) });
    }
    // An observer of the run sees that it is at work.
    measured(run.report, { kind: 'idle' });
    await sleep(Math.min(POLL_MS, left), run.stop).catch(() => undefined);
  }
}

function wordsOf({ batches, extractions, longest }: HeldByOthers): string {
  const what = [
    ...(batches > 0 ? [batches === 1 ? '1 batch is' : `${batches} batches are`] : []),
    ...(extractions > 0
      ? [extractions === 1 ? '1 extraction is' : `${extractions} extractions are`]
      : []),
  ];
  const until = longest.until.toISOString().slice(0, 19);
  return (
    `waiting for others: ${what.join(' and ')} held; the lease of ${longest.owner} runs out in ` +
    `${Math.max(0, longest.secondsLeft)} s (${until}Z) unless it is renewed`
  );
}
