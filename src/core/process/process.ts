import { linkSignals } from '../any-signal.js';
import { areOthers, joinsOf, type Joins } from '../joins.js';
import { countOutdated, jobsWithJoins, otherJoins } from '../tracking/joins.js';
import { sumRelated } from '../tracking/related-counts.js';
import { keyStyleOf, type Connections, type QueueConnection } from '../connect.js';
import { HandedInbox, PolledInbox } from '../queue/inbox.js';
import type { Delivery } from '../queue/queue.js';
import { QueueSource } from './queue-source.js';
import { isMigrateError } from '../errors.js';
import { tryJoinsOfJobs } from '../extract/try-joins.js';
import { isForeseen } from '../fault.js';
import { createSpool } from '../objects/spool.js';
import { runPool } from '../pool.js';
import { measured, unlessStopped, type Measure, type ProcessState, type Run } from '../run.js';
import type { Settings } from '../settings.js';
import { reached } from '../steps.js';
import { heldBatches, requireHeld, type ClaimedBatch } from '../tracking/claims.js';
import { countAtOdds, countBatches, countFailedWindows } from '../tracking/counters.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { Heartbeat, LeaseLost } from '../tracking/heartbeat.js';
import { heldJobs } from '../tracking/jobs.js';
import type { Holder } from '../tracking/lease.js';
import { completeBatch, type BatchObject, type MessageOutcome } from '../tracking/outcomes.js';
import { ALL_JOBS, onlyJobs, workingSet } from '../tracking/scope.js';
import { carryBatch, type Workshop } from './batch.js';
import { Breakage } from './breakage.js';
import { MessageWriter } from './message-writer.js';
import { KeyTaken, ObjectWriter } from './object-writer.js';
import { Dispatch } from './dispatch.js';
import { removePredecessors } from './predecessors.js';
import { Releases } from './release.js';
import { Requeue } from './requeue.js';
import { warnOfOtherTarget } from './other-target.js';
import { warnOfMissing, warnOfReplaced } from './replaced.js';
import { sweepUploads } from './sweep.js';
import type { Carried, Carry, CarryOptions, ProcessOptions, ProcessOutcome } from './types.js';
import type { BatchSource, Settled } from './batch-source.js';
import { WorkQueue } from './work-queue.js';
import { Tally } from './tally.js';
import { UploadLimit } from './upload-limit.js';
import { UploadNotice } from './upload-notice.js';
import { openWorkshop, prepareStaging } from './workshop.js';
import type { BatchWriter } from './writer.js';

/** Uploads in flight where the configuration names no limit: each takes a file descriptor. */
const MOST_UPLOADS = 4_096;
/** Into a directory: more would only wait for the same disk. */
const MOST_TO_DIRECTORY = 32;
/** Bytes of a batch's index held in memory: enough for some thousand ids. */
const INDEX_BYTES = 256 << 10;
/** How long batches in flight may go on after a stop before they are given back, in milliseconds. */
const GRACE_MS = 10_000;

/**
 * Claims batches until none is left and carries each to the target. Whatever ends it, nothing stays claimed.
 *
 * @param carry who does so; this process, unless said
 * @throws MigrateError `unavailable`, with everything released
 */
export async function processBatches(
  run: Run,
  on: Connections,
  given: ProcessOptions,
  carry: Carry = carryBatches,
): Promise<ProcessOutcome> {
  const { settings, database } = on;
  const named = await workingSet(database, settings.source.index, given.jobs);
  await tryJoinsOfJobs(run, on, named, 'untried');
  const { jobs: scope, leftAlone } = await jobsWithJoins(database, joinsOf(settings.source), named);
  const options = { ...given, leftAlone };
  if (leftAlone.length > 0) {
    const message = `jobs ${leftAlone.join(', ')} are done, with other joins of related records than are configured: they are left alone`;
    run.report({ type: 'log', level: 'info', message });
  }
  await prepareStaging(run);
  await endLeasesOfGone(run, database, 'batch_progress');
  await endLeasesOfGone(run, database, 'job_runs');
  await sweepUploads(run, on);
  const requeue = new Requeue(run, on, options);
  if (options.retryFailed) await requeue.now();
  const outbox = options.fromQueue ? wantedQueue(on).outbox : undefined;
  const dispatch = outbox && new Dispatch(run, outbox);
  await dispatch?.ifDue();
  await warnOfReplaced(run, on, scope);
  await warnOfOtherTarget(run, on);
  const { messages } = await countBatches(database, scope);
  const expected = messages.pending + messages.inProgress;
  const carryRest = () =>
    carry(run, on, { ...options, expected }, async () => {
      if (options.retryFailed) await requeue.ifDue();
      await dispatch?.ifDue();
    });
  let { allDied, ...carried }: Carried = await carryRest();
  // Batches of workers that died, the last ones or when the others had nothing left to do. Each death is a try of what was in hand,
  // so this ends.
  for (let last = carried; last.lost > 0 && isUnlimited(options, carried);) {
    const takenOver = await endLeasesOfGone(run, database, 'batch_progress');
    const hasCarried = allDied !== undefined && last.completed + last.failed > 0;
    if (takenOver === 0 && !hasCarried) break;
    ({ allDied, ...last } = await carryRest());
    carried = {
      ...last,
      completed: carried.completed + last.completed,
      failed: carried.failed + last.failed,
      lost: carried.lost + last.lost,
    };
  }
  if (allDied) throw allDied;
  if (carried.failed > 0) await unlessStopped(run, () => warnOfMissing(run, on, scope));
  if (carried.ended === 'nothing-left') await sweepUploads(run, on);
  return summarise(run, on, options.jobs, { ...carried, requeued: requeue.requeued });
}

/**
 * Carries batches in this process, `concurrency` of them at once.
 *
 * @throws MigrateError `unavailable`, with everything released
 */
export async function carryBatches(
  run: Run,
  on: Connections,
  options: CarryOptions,
  requeue: () => Promise<void>,
): Promise<Carried> {
  const tally = new Tally(run, options.expected);
  const source = await openSource(run, on, options, { tally, requeue });
  return carryFrom(run, on, options, source, tally);
}

/**
 * Carries the batches that these messages name, which somebody has received for us.
 *
 * @param breakage kept for the next time, where there are many
 * @returns beside what came of it, what the messages said whose batches were carried, the messages that have to come once more,
 *   those that were not looked at, and what ended it before its time
 */
export async function carryDeliveries(
  run: Run,
  on: Connections,
  options: CarryOptions,
  deliveries: readonly Delivery[],
  breakage = new Breakage(),
): Promise<
  Pick<Carried, 'completed' | 'failed'> &
    Pick<HandedInbox, 'done' | 'kept' | 'waiting'> & { error: Error | undefined }
> {
  await prepareStaging(run);
  const from = wantedQueue(on);
  const inbox = new HandedInbox(deliveries, from.queue);
  const tally = new Tally(run, options.expected);
  const givenUp = (messages: number) => tally.giveUp(messages);
  const parts = { inbox, whenIdle: nothingElse, givenUp, breakage };
  const source = new QueueSource(run, on, from, options, parts);
  let error: Error | undefined;
  try {
    await carryFrom(run, on, options, source, tally);
  } catch (thrown) {
    error = thrown as Error;
  }
  const { completed, failed } = tally;
  const { done, kept, waiting } = inbox;
  return { completed, failed, done, kept, waiting, error };
}

async function carryFrom(
  run: Run,
  on: Connections,
  options: CarryOptions,
  source: BatchSource,
  tally: Tally,
): Promise<Carried> {
  const grace = stopAfterGrace(run.stop);
  let workshop: Awaited<ReturnType<typeof openWorkshop>> | undefined;
  const { leaseSeconds } = on.settings;
  const heartbeat = new Heartbeat(on.leases, 'batch_progress', leaseSeconds, run.report);
  let notice: UploadNotice | undefined;
  try {
    const wanted = mostUploads(on.settings);
    const isSingle = on.target.layout === 'message';
    workshop = await openWorkshop(run, on, options.concurrency, isSingle ? wanted : 0);
    const most = workshop.shares.uploads || wanted;
    const uploads = new UploadLimit({ most, now: () => performance.now() });
    if (isSingle) notice = new UploadNotice(run, on.leases, uploads);
    tally.watch(uploads);
    const releases = new Releases(run, on);
    const joins = joinsOf(on.settings.source);
    const bench = { workshop, releases, heartbeat, uploads, tally, joins };
    await runPool(
      options.concurrency,
      async () => {
        await releases.tellRest();
        return source.take();
      },
      async (batch, failed) => {
        await source.settle(batch, await workOn(run, on, bench, batch, [grace.signal, failed]));
      },
    );
    await notice?.withdraw();
    return { completed: tally.completed, failed: tally.failed, ended: source.ended, lost: 0 };
  } finally {
    grace.cancel();
    tally.close();
    notice?.cancel();
    await source.close();
    await heartbeat.stop();
    await workshop?.close();
  }
}

/** Most uploads in flight that the configuration allows this process, 1 or more. */
function mostUploads({ limits, target }: Settings): number {
  const most = limits.uploads === 0 ? MOST_UPLOADS : limits.uploads;
  return target?.kind === 'file' ? Math.min(most, MOST_TO_DIRECTORY) : most;
}

async function openSource(
  run: Run,
  on: Connections,
  options: CarryOptions,
  { tally, requeue }: { tally: Tally; requeue: () => Promise<void> },
): Promise<BatchSource> {
  if (options.fromQueue) {
    const from = wantedQueue(on);
    const inbox = new PolledInbox(from.queue);
    const givenUp = (messages: number) => tally.giveUp(messages);
    return new QueueSource(run, on, from, options, { inbox, whenIdle: requeue, givenUp });
  }
  const givenUp = (messages: number) => tally.giveUp(messages);
  const source = new WorkQueue(run, on, options, { whenIdle: requeue, givenUp });
  await source.findScope();
  return source;
}

function wantedQueue({ queue }: Connections): QueueConnection {
  if (!queue) throw new Error('connect was not asked for the queue');
  return queue;
}

const nothingElse = (): Promise<void> => Promise.resolve();

interface Bench {
  readonly workshop: Workshop;
  readonly releases: Releases;
  readonly heartbeat: Heartbeat;
  readonly uploads: UploadLimit;
  readonly tally: Tally;
  readonly joins: Joins;
}

/** One claimed batch, from its claim to its completion or release, and what became of it. */
async function workOn(
  run: Run,
  on: Connections,
  { workshop, releases, heartbeat, uploads, tally, joins }: Bench,
  batch: ClaimedBatch,
  stops: readonly AbortSignal[],
): Promise<Settled> {
  const began = performance.now();
  const lost = heartbeat.hold(batch.lease);
  const { signal, unlink } = linkSignals(lost, ...stops);
  try {
    // A job that was begun since this run looked at them all.
    if (batch.joinsHash && areOthers(joins, batch.joinsHash)) throw otherJoins([batch.jobId]);
    const writer = openWriter(on, { workshop, uploads }, batch, signal);
    const { outcomes, object } = await carryBatch(workshop, batch, writer, signal);
    await removePredecessors(run, on, batch, outcomes, signal);
    if (await completeBatch(on.database, batch, outcomes, object, joins)) {
      reached('batch-completed');
      tally.add(outcomes);
      measured(run.report, measureOf(outcomes, object, performance.now() - began));
      return { kind: 'carried' };
    }
    await releases.release(batch, false);
    warnLost(run, batch, 'somebody else has taken it over');
    return { kind: 'lost' };
  } catch (error) {
    const why: unknown = lost.aborted ? lost.reason : error;
    // Before it is given back: a beat in between would find it lost.
    heartbeat.drop(batch.lease);
    const isLost = why instanceof LeaseLost || why instanceof KeyTaken;
    const isStopped = stops.some(({ aborted }) => aborted) || isImpatience(run, error);
    await releases.release(batch, !isLost && !isStopped && !isForeseen(error));
    if (isLost) {
      warnLost(run, batch, why.message);
      return { kind: 'lost' };
    }
    return isStopped ? { kind: 'stopped' } : { kind: 'threw', error };
  } finally {
    heartbeat.drop(batch.lease);
    unlink();
  }
}

/** Who is to stop waits for a server only seconds: that it did not answer so soon doesn't mean that it is down. */
function isImpatience({ stop }: Run, error: unknown): boolean {
  return stop.aborted && isMigrateError(error) && error.kind === 'unavailable';
}

function openWriter(
  on: Connections,
  { workshop, uploads }: Pick<Bench, 'workshop' | 'uploads'>,
  batch: ClaimedBatch,
  signal: AbortSignal,
): BatchWriter {
  const { target, policy, database } = on;
  const beforeReplacing = () => requireHeld(database, batch);
  const context = { target, policy, limit: uploads, signal, beforeReplacing };
  if (target.layout === 'message') {
    return new MessageWriter(context, batch, keyStyleOf(on));
  }
  const { shares, staging } = workshop;
  const spool = (memoryLimit: number) => createSpool({ memoryLimit, directory: staging });
  return new ObjectWriter(context, batch, {
    object: spool(shares.spoolBytes),
    index: spool(Math.min(shares.spoolBytes, INDEX_BYTES)),
  });
}

/** A completed batch in figures. */
function measureOf(
  outcomes: readonly MessageOutcome[],
  object: BatchObject | undefined,
  ms: number,
): Measure {
  const failed: Record<string, number> = {};
  let completed = 0;
  let bytes = object ? object.bytes + object.index.bytes : 0;
  for (const outcome of outcomes) {
    if (outcome.kind === 'failed') failed[outcome.code] = (failed[outcome.code] ?? 0) + 1;
    else {
      completed += 1;
      bytes += outcome.object?.bytes ?? 0;
    }
  }
  return { kind: 'batch', ms, completed, failed, bytes };
}

function idsOf({ batchId, jobId }: ClaimedBatch): { batchId: number; jobId: number } {
  return { batchId, jobId };
}

function warnLost(run: Run, batch: ClaimedBatch, why: string): void {
  const message = `batch ${batch.batchId} is left to others: ${why}`;
  run.report({ type: 'log', level: 'warn', message, fields: idsOf(batch) });
}

async function summarise(
  run: Run,
  { settings, database }: Connections,
  jobs: ProcessOptions['jobs'],
  done: Carried & Pick<ProcessOutcome, 'requeued'>,
): Promise<ProcessOutcome> {
  const judged = jobs ? onlyJobs(jobs) : ALL_JOBS;
  const worked = await workingSet(database, settings.source.index, jobs);
  const all = (await countBatches(database, judged)).messages;
  const { messages, leftBehind } = await countBatches(database, worked);
  const foreign = all.pending + all.inProgress - messages.pending - messages.inProgress;
  if (foreign > 0) {
    const message = `${foreign} messages belong to jobs over other indices: process them with their configuration`;
    run.report({ type: 'log', level: 'warn', message });
  }
  const held = await heldBatches(database, judged);
  const extractions = await heldJobs(database, judged);
  const { names } = joinsOf(settings.source);
  return {
    ...done,
    outdated: await countOutdated(database, judged),
    related: await sumRelated(database, worked, names, messages.completed),
    remaining: messages.pending + messages.inProgress,
    leftBehind,
    atOdds: done.ended === 'nothing-left' ? await countAtOdds(database, worked) : 0,
    failedInAll: all.failed - all.accepted,
    heldByOthers: held.held + extractions.held,
    holder: held.longest && { ...held.longest, state: stateOf(run, held.longest) },
    failedWindows: await countFailedWindows(database, judged),
  };
}

function isUnlimited(
  { maxBatches, maxRuntimeMs }: ProcessOptions,
  { ended }: Pick<Carried, 'ended'>,
): boolean {
  return ended === 'nothing-left' && maxBatches === undefined && maxRuntimeMs === undefined;
}

function stateOf({ host }: Run, { identity }: Holder): ProcessState {
  return identity === undefined ? 'unknown' : host.stateOf(identity);
}

/** Aborts some time after the run was told to stop, so that what is in flight may finish. */
function stopAfterGrace(stop: AbortSignal): { signal: AbortSignal; cancel: () => void } {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const begin = () => {
    timer = setTimeout(() => {
      controller.abort(stop.reason);
    }, GRACE_MS);
  };
  if (stop.aborted) begin();
  else stop.addEventListener('abort', begin, { once: true });
  return {
    signal: controller.signal,
    cancel: () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', begin);
    },
  };
}
