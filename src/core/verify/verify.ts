import { createHash } from 'node:crypto';
import { linkSignals } from '../any-signal.js';
import { keyStyleOf, type Connections } from '../connect.js';
import { joinsOf } from '../joins.js';
import { leaseOwner, type Run } from '../run.js';
import { reached } from '../steps.js';
import { countBatches } from '../tracking/counters.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { Heartbeat, LeaseLost } from '../tracking/heartbeat.js';
import { newLease, type Lease } from '../tracking/lease.js';
import { indicesLongerThan } from '../tracking/verify-messages.js';
import {
  beginVerification,
  deleteAll,
  endVerification,
  forgetOlder,
  forgetPosition,
  hasChangedSince,
} from '../tracking/verify-runs.js';
import { heldOutside } from '../tracking/overlaps.js';
import { requireOwnJobs, workingSet, type JobSet } from '../tracking/scope.js';
import { hasOtherJobs } from '../tracking/verify-windows.js';
import { verifyContent } from './content.js';
import { LONGEST_PLAIN_ID, LONGEST_PLAIN_INDEX, type VerifyContext } from './context.js';
import { DiffFile } from './diff-file.js';
import { countListing, verifyListing } from './listing.js';
import { beginCounting, compareCounts, verifyMissing } from './missing.js';
import { verifyRelated } from './related.js';
import { relatedOutcome } from './related-outcome.js';
import { repair } from './repair.js';
import { verifyRows } from './rows.js';
import { countFindings, noFindings } from './findings.js';
import type { VerifyOptions, VerifyOutcome } from './types.js';
import { countUncovered } from './uncovered.js';
import { verifyUnfinished } from './unfinished.js';
import { STAGES, Verification, type Stage } from './verification.js';
import { ACCEPTED_WINDOWS, verifyWindows, HELD_OUTSIDE } from './windows.js';

/**
 * Proves that nothing is missing: what Elasticsearch counts, what the tracking tables say and what lies in the target are
 * compared, each with the others, as deep as `level` says. It may run beside `process`: what moves meanwhile is looked at
 * again before it is told, but then it proves nothing (`changedMeanwhile`). Stopped or killed, it goes on where it was by the
 * same call within a day, as long as nothing was tracked since.
 *
 * @throws MigrateError `usage` (no such job, the diff file), `unavailable`
 */
export async function verify(
  run: Run,
  on: Connections,
  options: VerifyOptions,
): Promise<VerifyOutcome> {
  const scope = await scopeOf(on, options.jobs);
  const lease = newLease(leaseOwner(run.host), on.settings.leaseSeconds);
  await endLeasesOfGone(run, on.database, 'verify_runs');
  const key = scopeKey(on, options);
  const begun = await beginVerification(on.database, { scope, key }, lease, options);
  if (begun.kind === 'busy') {
    const message = `the same verification is running elsewhere: ${begun.owner} holds it until ${begun.expiresAt.toISOString()}`;
    run.report({ type: 'log', level: 'warn', message });
    return busyOutcome(options);
  }
  reached('verify-begun');
  const heartbeat = new Heartbeat(on.leases, 'verify_runs', lease.seconds, run.report);
  const { signal, unlink } = linkSignals(run.stop, heartbeat.hold(lease));
  const held = { run, on, lease };
  let diff: DiffFile | undefined;
  let verification = new Verification(held, options, begun.at);
  let status: 'running' | 'completed' = 'running';
  try {
    if (begun.kind === 'resumed') {
      diff = await resumeDiff(verification, options);
      if (options.diffFile !== undefined && !diff) {
        tell(run, `begins anew: ${options.diffFile} is not the file it wrote before`);
        await forgetPosition(on.database, verification.verifyId, lease);
        verification = new Verification(held, options, {
          ...begun.at,
          position: '{}',
          met: undefined,
        });
      } else tell(run, `goes on where it stopped, at stage ${verification.stage}`);
    } else {
      if (begun.because !== undefined) tell(run, `begins anew: ${begun.because}`);
      await forgetOlder(on.database, verification.verifyId, key);
    }
    if (options.diffFile !== undefined) diff ??= await DiffFile.create(options.diffFile);
    verification.writesTo(diff);
    const context = await contextOf({ run, on, scope, verification, signal });
    await runStages(context);
    await warnOfOthers(context);
    const changedMeanwhile = await hasChangedSince(on.database, verification.verifyId, scope);
    const repaired = options.repair ? await repair(context) : undefined;
    status = 'completed';
    await deleteAll(on.database, 'verify_keys', verification.verifyId);
    return await outcomeOf(context, 'done', repaired, changedMeanwhile);
  } catch (error) {
    const why: unknown = signal.aborted ? signal.reason : error;
    if (why instanceof LeaseLost) return busyOutcome(options);
    if (!run.stop.aborted) throw error;
    await verification.store();
    const context = await contextOf({ run, on, scope, verification, signal });
    return await outcomeOf(context, 'stopped', undefined, false);
  } finally {
    unlink();
    heartbeat.drop(lease);
    await heartbeat.stop();
    await giveBack(run, on, verification.verifyId, lease, status);
    await diff?.close();
  }
}

async function runStages(context: VerifyContext): Promise<void> {
  const { verification, signal } = context;
  const { level, sample } = verification.options;
  const deeper = level !== 'counts';
  const work: Readonly<Record<Stage, () => Promise<void>>> = {
    windows: () => verifyWindows(context),
    tracking: () => verifyRows(context),
    listing: async () => {
      if (deeper) return verifyListing(context);
      await beginCounting(context);
      await countListing(context);
    },
    missing: () => (deeper ? verifyMissing(context) : compareCounts(context)),
    unfinished: () => (deeper ? verifyUnfinished(context) : Promise.resolve()),
    // Level content reads every record, and compares more than numbers.
    related: () =>
      level === 'content' && sample === 1 ? Promise.resolve() : verifyRelated(context),
    content: () => (level === 'content' ? compareContent(context) : Promise.resolve()),
    repair: () => Promise.resolve(),
  };
  for (const stage of STAGES.slice(STAGES.indexOf(verification.stage))) {
    signal.throwIfAborted();
    if (verification.stage !== stage) await verification.next(stage);
    if (!verification.isOver) await work[stage]();
  }
}

async function compareContent(context: VerifyContext): Promise<void> {
  const { run, on, scope, verification, signal } = context;
  const { sample } = verification.options;
  let unit = verification.unit();
  await verifyContent(
    { ...run, stop: signal },
    on,
    {
      verifyId: verification.verifyId,
      // What it gives belongs to the next checkpoint.
      findings: {
        same: (path, messages) => unit.same(path, messages),
        add: (finding) => unit.add(finding),
      },
      afterBatch: (verification.cursor as { after: number } | undefined)?.after ?? 0,
      sample,
      seed: verification.verifyId,
      scope,
      progress: context.progress,
    },
    async (after) => {
      const full = unit;
      unit = verification.unit();
      await verification.done(full, { after });
    },
  );
  signal.throwIfAborted();
}

/**
 * Messages of the range that another job had tracked already are that job's, and looked at with it: told where that job is not
 * verified. Several jobs are those of a range together with all that hold messages of it.
 */
async function warnOfOthers({ run, on, scope, verification }: VerifyContext): Promise<void> {
  if (scope.kind === 'only' && scope.jobs.length > 1) return;
  const { outside: met, unknown } = await heldOutside(on.database, scope);
  // Met when the range was extracted, or found there now.
  const outside = Math.max(met, verification.notes[HELD_OUTSIDE] ?? 0);
  const mayBeOutside = unknown > 0 && (await hasOtherJobs(on.database, scope)) ? unknown : 0;
  if (outside + mayBeOutside === 0) return;
  const [few, are] =
    mayBeOutside > 0
      ? [`up to ${outside + mayBeOutside} messages`, 'are']
      : outside === 1
        ? ['1 message', 'is']
        : [`${outside} messages`, 'are'];
  const message = `${few} of the range ${are} tracked by other jobs, which were not verified`;
  run.report({ type: 'log', level: 'warn', message });
}

async function scopeOf(
  { database, settings }: Connections,
  jobs: VerifyOptions['jobs'],
): Promise<JobSet> {
  const { index } = settings.source;
  await requireOwnJobs(database, index, jobs, 'Verify');
  return workingSet(database, index, jobs);
}

/** What is verified, and how: the same goes on where it stopped. */
function scopeKey({ settings, target }: Connections, options: VerifyOptions): Buffer {
  const { level, sample, jobs } = options;
  // One alone stands as a number: what was begun before there could be several goes on.
  const [job = null, ...more] = jobs?.toSorted((a, b) => a - b) ?? [];
  const parts = [
    level,
    sample,
    more.length > 0 ? [job, ...more] : job,
    settings.source.index,
    prefixOf(target),
    target.layout,
    joinsOf(settings.source).hash.toString('hex'),
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

/** URL of the prefix, with a slash at its end. */
function prefixOf(target: Connections['target']): string {
  return target.urlOf('x').slice(0, -1);
}

async function contextOf(
  parts: Pick<VerifyContext, 'run' | 'on' | 'scope' | 'verification' | 'signal'>,
): Promise<VerifyContext> {
  const { run, on, scope, verification } = parts;
  const { database, target, settings } = on;
  const { messages } = await countBatches(database, scope);
  const { level, sample } = verification.options;
  const expected =
    messages.total +
    (level === 'counts' ? 0 : messages.completed) +
    (level === 'content' ? Math.round(messages.completed * sample) : 0);
  let done = 0;
  return {
    ...parts,
    joins: joinsOf(settings.source),
    keys: keyStyleOf(on),
    marks: {
      prefix: prefixOf(target),
      longId: LONGEST_PLAIN_ID,
      longIndices: await indicesLongerThan(database, LONGEST_PLAIN_INDEX),
    },
    progress: (some) => {
      done += some;
      const total = Math.max(expected, done);
      run.report({ type: 'progress', stage: 'verify', done, total, failed: 0 });
    },
  };
}

function resumeDiff(
  verification: Verification,
  { diffFile }: VerifyOptions,
): Promise<DiffFile | undefined> {
  const before = verification.diff;
  return diffFile !== undefined && before?.path === diffFile
    ? DiffFile.resume(diffFile, before.bytes)
    : Promise.resolve(undefined);
}

async function giveBack(
  run: Run,
  { leases }: Connections,
  verifyId: number,
  lease: Lease,
  status: 'running' | 'completed',
): Promise<void> {
  try {
    await endVerification(leases, verifyId, lease, status);
  } catch (error) {
    tell(
      run,
      `is not given back; the next run on this host takes it over once this process has ended, others do when its lease has run out: ${(error as Error).message}`,
    );
  }
}

function tell(run: Run, what: string): void {
  run.report({ type: 'log', level: 'info', message: `verification ${what}` });
}

async function outcomeOf(
  context: VerifyContext,
  ended: 'done' | 'stopped',
  repaired: VerifyOutcome['repaired'],
  changedMeanwhile: boolean,
): Promise<VerifyOutcome> {
  const { on, scope, verification, signal } = context;
  const { messages } = await countBatches(on.database, scope);
  const undated = ended === 'done' ? await on.source.countUndated(signal) : undefined;
  const { verifyId, options, checked, found, sums, examples } = verification;
  const pending = messages.pending + messages.inProgress;
  const differences = repaired?.left ?? countFindings(found);
  return {
    level: options.level,
    verifyId,
    checked,
    found,
    examples,
    pending,
    failed: messages.failed,
    accepted: messages.accepted,
    acceptedWindows: verification.notes[ACCEPTED_WINDOWS] ?? 0,
    openWindows: sums.openWindows,
    undated,
    uncovered: ended === 'done' ? await countUncovered(context) : [],
    counts: {
      sourceNow: sums.sourceNow,
      sourceThen: sums.sourceThen,
      tracked: messages.total,
      completed: messages.completed,
      stored: sums.stored,
    },
    related: ended === 'done' ? await relatedOutcome(context, messages.completed) : {},
    changedMeanwhile,
    ok:
      ended === 'done' &&
      !changedMeanwhile &&
      // Contradictions that were put right had hidden from the other comparisons what they were about.
      (repaired === undefined || found.inconsistent === 0) &&
      // Each for itself: a counter that was edited may be negative, and hide another in a sum.
      pending === 0 &&
      messages.failed === messages.accepted &&
      sums.openWindows === 0 &&
      differences === 0,
    repaired,
    ended,
  };
}

function busyOutcome({ level }: VerifyOptions): VerifyOutcome {
  return {
    level,
    verifyId: undefined,
    checked: 0,
    found: noFindings(),
    examples: [],
    pending: 0,
    failed: 0,
    accepted: 0,
    acceptedWindows: 0,
    openWindows: 0,
    undated: undefined,
    uncovered: [],
    counts: { sourceNow: 0, sourceThen: 0, tracked: 0, completed: 0, stored: 0 },
    related: {},
    changedMeanwhile: false,
    ok: false,
    repaired: undefined,
    ended: 'busy',
  };
}
