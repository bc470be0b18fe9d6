import type { Connections } from '../connect.js';
import type { ExtractOptions, ExtractOutcome } from '../extract/types.js';
import type { ProcessOptions } from '../process/types.js';
import type { Run } from '../run.js';
import { countBatches } from '../tracking/counters.js';
import { jobsWithOpenBatches, lastCompleted, scopedJobs } from '../tracking/jobs.js';
import { countOverlap, overlappingJobs } from '../tracking/overlaps.js';
import { jobsToRequeue } from '../tracking/requeue.js';
import { foreignJobs, onlyJobs } from '../tracking/scope.js';

/** The jobs that the messages of a range belong to. */
export interface RangeJobs {
  /** Made for the range; where nothing says where it starts, also those that an earlier run left unfinished. */
  readonly own: readonly number[];
  /** Other jobs over the configured index that had messages of the range already. */
  readonly met: readonly number[];
  /** The same of jobs over other indices: this configuration does not say with which records their messages belong. */
  readonly elsewhere: Elsewhere | undefined;
}

export interface Elsewhere {
  readonly jobs: readonly number[];
  /** Messages of the range that they hold; undefined where nobody has counted them. */
  readonly messages: number | undefined;
  /** Messages of these jobs that are still to be processed, or failed and not accepted. */
  readonly open: number;
}

/** What is to be processed, verified and judged for a range that was extracted. */
export async function jobsOfRange(
  run: Run,
  on: Connections,
  extracted: Extract<ExtractOutcome, { kind: 'done' | 'nothing-new' }>,
  { extract, process }: { extract: ExtractOptions; process: ProcessOptions },
): Promise<RangeJobs> {
  const made = extracted.kind === 'done' ? extracted.jobs.map(({ jobId }) => jobId) : [];
  const left = extract.from === undefined ? await unfinished(on, process) : [];
  // Nothing is new behind the last job: the range is then that job's.
  const last =
    extracted.kind === 'nothing-new' && extract.from === undefined ? await lastJob(run, on) : [];
  const own = sorted([...made, ...left, ...last]);
  const others = await othersOf(run, on, own);
  const foreign = new Set(await foreignJobs(on.database, on.settings.source.index));
  const elsewhere = others.filter((job) => foreign.has(job));
  if (elsewhere.length > 0) {
    const message = `messages of the range belong to jobs over other indices (${elsewhere.join(', ')}), which are neither processed nor verified with this configuration`;
    run.report({ type: 'log', level: 'warn', message });
  }
  return {
    own,
    met: others.filter((job) => !foreign.has(job)),
    elsewhere: elsewhere.length > 0 ? await lookElsewhere(on, own, elsewhere) : undefined,
  };
}

/** Jobs from which a run without `--from` goes on: those with messages to process, or to try again. */
async function unfinished(
  { database, settings }: Connections,
  { retryFailed }: ProcessOptions,
): Promise<readonly number[]> {
  const { maxAttempts } = settings;
  const jobs = onlyJobs(await scopedJobs(database, settings.source));
  const open = await jobsWithOpenBatches(database, jobs);
  if (!retryFailed) return open;
  return [...open, ...(await jobsToRequeue(database, { jobs, force: false, maxAttempts }))];
}

async function lastJob(
  { clock }: Run,
  { database, settings }: Connections,
): Promise<readonly number[]> {
  const job = await lastCompleted(database, settings.source, clock.now());
  return job === undefined ? [] : [job];
}

async function othersOf(
  run: Run,
  { database, settings }: Connections,
  own: readonly number[],
): Promise<readonly number[]> {
  const met = await overlappingJobs(database, own);
  if (met.areAll) return met.jobs;
  const { index } = settings.source;
  const message = `an earlier version of es-migrate read a part of the range and did not store which jobs had its messages already: all jobs over ${index} are processed and verified`;
  run.report({ type: 'log', level: 'warn', message });
  const all = await scopedJobs(database, { index });
  return sorted([...met.jobs, ...all]).filter((job) => !own.includes(job));
}

async function lookElsewhere(
  { database }: Connections,
  own: readonly number[],
  jobs: readonly number[],
): Promise<Elsewhere> {
  const { messages } = await countBatches(database, onlyJobs(jobs));
  const open = messages.total - messages.completed - messages.accepted;
  return { jobs, messages: await countOverlap(database, own, jobs), open };
}

function sorted(jobs: readonly number[]): number[] {
  return [...new Set(jobs)].sort((a, b) => a - b);
}
