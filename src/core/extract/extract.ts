import { anySignal } from '../any-signal.js';
import type { Connections } from '../connect.js';
import { isMigrateError, usage } from '../errors.js';
import { joinsOf } from '../joins.js';
import { requireJoins } from '../tracking/joins.js';
import { onlyJobs } from '../tracking/scope.js';
import { leaseOwner, measured, unlessStopped, type Run } from '../run.js';
import { reached } from '../steps.js';
import { endLeasesOfGone } from '../tracking/gone-owners.js';
import { uncovered, without } from '../tracking/gaps.js';
import { Heartbeat, LeaseLost } from '../tracking/heartbeat.js';
import { IndexNames } from '../tracking/indices.js';
import {
  closeJob,
  findOrCreateJob,
  jobHolder,
  jobTotals,
  leaseJob,
  nextRunDate,
  unfinishedJobs,
  type Job,
  type JobScope,
} from '../tracking/jobs.js';
import { newLease, type Lease } from '../tracking/lease.js';
import { PageStore } from '../tracking/pages.js';
import { openWindows, planWindows, type Window } from '../tracking/windows.js';
import { cutWindows } from './plan.js';
import { ReadIndices, type Watch } from './read-indices.js';
import { checkReplaced, sayTrackedTwice } from './replaced.js';
import { describeInterval } from './describe.js';
import { surveyEmpty, surveyUndated } from './survey.js';
import type { ExtractedJob, ExtractOptions, ExtractOutcome, Interval } from './types.js';
import { tryJoins, tryJoinsOfJobs } from './try-joins.js';
import { readWindow } from './window.js';

/**
 * Puts the ids of all messages of an interval into the tracking database, in batches. Where an end of the interval is
 * left open, a job that an earlier run left unfinished is finished first.
 *
 * @throws MigrateError `usage` where nothing says which interval; `unavailable` with the job's lease released
 */
export async function extract(
  run: Run,
  on: Connections,
  options: ExtractOptions,
): Promise<ExtractOutcome> {
  const undated = await surveyUndated(run, on);
  const ended = await extractJobs(run, on, options);
  const noMessages = await surveyEmpty(run, on, options, ended);
  // Whatever was not sent while pages were read, in whichever run; one that is told to stop leaves it to the next.
  if (!options.dryRun) await sendRest(run, on);
  return { ...ended, undated, noMessages };
}

/** What was extracted is kept whatever the queue says. */
async function sendRest(run: Run, { queue }: Connections): Promise<void> {
  try {
    await unlessStopped(run, () => queue?.outbox.flush(run.stop));
  } catch (error) {
    const message =
      'what was extracted is in the tracking database; batches that were not sent are sent by the next extract, retry or process --queue';
    run.report({ type: 'log', level: 'info', message });
    throw error;
  }
}

async function extractJobs(
  run: Run,
  on: Connections,
  options: ExtractOptions,
): Promise<ExtractOutcome> {
  const { source, settings, database, indices } = on;
  const { index, dateField, filter } = settings.source;
  const scope: JobScope = { index, dateField, filter };
  const jobs: ExtractedJob[] = [];
  for (const job of options.dryRun ? [] : await unfinishedFirst(on, scope, options)) {
    const watch = await checkReplaced(run, on, job.interval, options);
    const outcome = await extractJob(run, on, options, { job, resumed: true, watch });
    if (outcome.kind !== 'done')
      return outcome.kind === 'stopped'
        ? { ...outcome, jobs: [...jobs, ...outcome.jobs] }
        : outcome;
    jobs.push(...outcome.jobs);
    // What follows a job that could not be read whole would leave a gap behind it.
    if (outcome.jobs.some(({ status }) => status !== 'completed')) return { kind: 'done', jobs };
  }

  const unfinished = options.dryRun ? [] : await unfinishedJobs(database, scope);
  const known = unfinished.map(idOf);
  const interval = await chooseInterval(run, on, scope, options, jobs);
  if (interval.from >= interval.to)
    return jobs.length > 0 ? { kind: 'done', jobs } : { kind: 'nothing-new', interval };
  run.report({
    type: 'log',
    level: 'info',
    message: `reading ${index}, ${describeInterval(interval)}`,
  });
  // An unfinished job has passed this when it was made, or passes it before it is read on (extractJob).
  const isNew = !unfinished.some((job) => isSame(job.interval, interval));
  const related = isNew ? await tryJoins(run, on, interval) : [];
  if (related === 'stopped') return { kind: 'stopped', jobs };
  if (options.dryRun)
    return { kind: 'dry-run', interval, related, expected: await source.count(interval, run.stop) };

  const watch = await checkReplaced(run, on, interval, options);
  const before = options.to === undefined ? known : undefined;
  const job = await findOrCreateJob(database, scope, interval, indices, before);
  reached('job-created');
  const resumed = known.includes(job.jobId);
  const outcome = await extractJob(run, on, options, { job, resumed, watch });
  return outcome.kind === 'busy' ? outcome : { ...outcome, jobs: [...jobs, ...outcome.jobs] };
}

const idOf = ({ jobId }: Job) => jobId;
const isSame = (one: Interval, other: Interval) => one.from === other.from && one.to === other.to;

/** Jobs to be finished before a new one: those of the scope, or with `--from` alone those that start there. */
async function unfinishedFirst(
  { database }: Connections,
  scope: JobScope,
  { from, to }: ExtractOptions,
): Promise<Job[]> {
  return to === undefined || from === undefined ? unfinishedJobs(database, scope, from) : [];
}

async function chooseInterval(
  run: Run,
  { database, settings, hasSchema }: Connections,
  scope: JobScope,
  { from, to, startDate }: ExtractOptions,
  finished: readonly ExtractedJob[],
): Promise<Interval> {
  const settled = run.clock.now() - settings.settleMs;
  const end = to ?? settled;
  if (end > settled) warnOfUnsettled(run, end);
  if (from !== undefined) {
    const start = finished.at(-1)?.interval.to ?? from;
    if (to !== undefined && from > end) {
      throw usage(
        `the range is empty: it starts at ${new Date(from).toISOString()} and ends at ${new Date(end).toISOString()}`,
        'Give a --to behind --from.',
      );
    }
    return { from: start, to: end };
  }
  // Also after resuming: a job made since then may reach further.
  const start =
    (hasSchema ? await nextRunDate(database, scope, run.clock.now()) : undefined) ?? startDate;
  if (start === undefined) {
    throw usage(
      'nothing says where to start: no job up to now is completed yet',
      'Give --from, or set startDate in the configuration.',
    );
  }
  const gaps = hasSchema ? await uncovered(database, scope, settled) : [];
  for (const gap of without(gaps, { from: start, to: end })) warnOfGap(run, gap);
  return { from: start, to: end };
}

function warnOfGap(run: Run, gap: Interval): void {
  const { from, to } = {
    from: new Date(gap.from).toISOString(),
    to: new Date(gap.to).toISOString(),
  };
  const message = `no job covers ${describeInterval(gap)}; extract --from ${from} --to ${to} reads it`;
  run.report({ type: 'log', level: 'warn', message });
}

function warnOfUnsettled(run: Run, end: number): void {
  const message = `the range ends at ${new Date(end).toISOString()}, where messages may still arrive; those that do are added by extracting it again`;
  run.report({ type: 'log', level: 'warn', message });
}

type JobOutcome = Extract<ExtractOutcome, { kind: 'done' | 'busy' | 'stopped' }>;

/** Extracts one job under its lease. */
async function extractJob(
  run: Run,
  on: Connections,
  options: ExtractOptions,
  { job, resumed, watch }: { job: Job; resumed: boolean; watch: Watch | undefined },
): Promise<JobOutcome> {
  const { database, settings } = on;
  if (resumed) await tryJoinsOfJobs(run, on, onlyJobs([job.jobId]), 'untried');
  await requireJoins(database, joinsOf(settings.source), job.jobId);
  const lease = newLease(leaseOwner(run.host), settings.leaseSeconds);
  await endLeasesOfGone(run, database, 'job_runs');
  if (!(await leaseJob(database, job.jobId, lease))) return busy(on, job);
  reached('job-leased');
  // Under the lease: what another invocation adds before it is not ours.
  const before = await jobTotals(database, job.jobId);
  const heartbeat = new Heartbeat(on.leases, 'job_runs', lease.seconds, run.report);
  const signal = anySignal(run.stop, heartbeat.hold(lease));
  let failedWindows: ExtractedJob['failedWindows'] = [];
  let batches = 0;
  const outbox = on.queue?.outbox.whileGrowing(job.jobId, run.report, signal);
  const onBatches = (made: number) => {
    batches += made;
    if (made > 0) outbox?.notify();
  };
  let status: Job['status'] = 'running';
  try {
    if (resumed) {
      const message = `going on with job ${job.jobId}, ${describeInterval(job.interval)}`;
      run.report({ type: 'log', level: 'info', message });
    }
    failedWindows = await readWindows(run, on, options, { job, lease, signal, onBatches, watch });
    const ended = failedWindows.length > 0 ? 'failed' : 'completed';
    if (!(await closeJob(database, job.jobId, lease, ended, settings.settleMs)))
      throw new LeaseLost('somebody else has taken this extraction over');
    reached('job-closed');
    status = ended;
  } catch (error) {
    const isLost = error instanceof LeaseLost || signal.reason instanceof LeaseLost;
    // Before it is given back: a beat in between would find it lost.
    heartbeat.drop(lease);
    await giveBack(run, on, job, lease);
    if (isLost) return await busy(on, job);
    if (!run.stop.aborted || isMigrateError(error)) throw error;
  } finally {
    await outbox?.settled();
    await heartbeat.stop();
  }
  const after = await jobTotals(database, job.jobId);
  const extracted: ExtractedJob = {
    jobId: job.jobId,
    interval: job.interval,
    status,
    expected: after.expected,
    extracted: after.extracted - before.extracted,
    duplicates: after.duplicates,
    batches,
    resumed,
    failedWindows,
  };
  return { kind: status === 'running' ? 'stopped' : 'done', jobs: [extracted] };
}

/** Gives up the lease of an extraction that did not come to its end; where that fails, it runs out by itself. */
async function giveBack(run: Run, on: Connections, { jobId }: Job, lease: Lease): Promise<void> {
  try {
    await closeJob(on.leases, jobId, lease, 'running');
    reached('job-released');
  } catch (error) {
    const message = `the lease of job ${jobId} was not given back: ${(error as Error).message}`;
    run.report({ type: 'log', level: 'warn', message });
  }
}

async function readWindows(
  run: Run,
  { source, database, settings }: Connections,
  { slices }: ExtractOptions,
  {
    job,
    lease,
    signal,
    onBatches,
    watch,
  }: {
    job: Job;
    lease: Lease;
    signal: AbortSignal;
    onBatches: (made: number) => void;
    watch: Watch | undefined;
  },
): Promise<ExtractedJob['failedWindows']> {
  const windows = await windowsToRead(source, database, { job, lease, signal });
  const total = windows.reduce((sum, { expected, read }) => sum + expected - read, 0);
  const store = new PageStore(database, {
    batchSize: settings.batchSize,
    lease,
    jobStart: job.interval.from,
  });
  const indices = new IndexNames(database);
  const read = { jobId: job.jobId, index: settings.source.index };
  const readIndices = new ReadIndices(source, database, read, watch);
  let done = 0;
  const onPage = ({ messages, batches }: { messages: number; batches: number }) => {
    done += messages;
    onBatches(batches);
    if (messages > 0) measured(run.report, { kind: 'extracted', messages });
    run.report({
      type: 'progress',
      stage: 'extract',
      done,
      total: Math.max(total, done),
      failed: 0,
    });
  };
  onPage({ messages: 0, batches: 0 });
  const failed: { interval: Interval; reason: string }[] = [];
  const held = { jobId: job.jobId, lease };
  const reading = {
    database,
    source,
    store,
    indices,
    readIndices,
    job: held,
    slices,
    signal,
    onPage,
  };
  for (const window of windows) {
    const reason = await readWindow(reading, window);
    if (reason === undefined) continue;
    measured(run.report, { kind: 'window-failed' });
    failed.push({ interval: window.interval, reason });
  }
  sayTrackedTwice(run, readIndices);
  return failed;
}

/** Those an earlier run left open; cut now where there are none. */
async function windowsToRead(
  source: Connections['source'],
  database: Connections['database'],
  { job, lease, signal }: { job: Job; lease: Lease; signal: AbortSignal },
): Promise<Window[]> {
  const open = await openWindows(database, job.jobId);
  if (open.planned) return open.windows;
  const windows = await cutWindows(source, job.interval, signal);
  await planWindows(database, { jobId: job.jobId, lease }, windows);
  reached('windows-planned');
  return (await openWindows(database, job.jobId)).windows;
}

async function busy({ database }: Connections, { jobId }: Job): Promise<JobOutcome> {
  const holder = await jobHolder(database, jobId);
  return {
    kind: 'busy',
    jobId,
    owner: holder?.owner ?? 'unknown',
    leaseExpiresAt: holder?.expiresAt ?? new Date(),
  };
}
