import type { JoinProbe } from '../core/elasticsearch/probe/types.js';
import { describeInterval } from '../core/extract/describe.js';
import type { ExtractedJob, ExtractOutcome, Interval, NoMessages } from '../core/extract/types.js';
import { done, EXIT, type Verdict } from './exit-codes.js';
import { counted, grouped } from '../core/words.js';

const iso = (ms: number): string => new Date(ms).toISOString();
const empty = { expected: 0, extracted: 0, duplicates: 0, batches: 0 };

/** The JSON of an extraction; of several jobs (an unfinished one, then the new) the sum, with the last one's id. */
export function extractJson(outcome: ExtractOutcome): object {
  const { undated = null, noMessages } = outcome;
  return {
    ...endJson(outcome),
    undated,
    ...(noMessages && { dates: datesJson(noMessages) }),
  };
}

/** Where the range has no messages: between which instants there are some. */
function datesJson({ dates }: NoMessages): object | null {
  return dates ? { first: iso(dates.first), last: iso(dates.last) } : null;
}

function endJson(outcome: ExtractOutcome): object {
  switch (outcome.kind) {
    case 'nothing-new':
      return { jobId: null, ...interval(outcome.interval), ...empty };
    case 'dry-run':
      return {
        jobId: null,
        ...interval(outcome.interval),
        ...empty,
        expected: outcome.expected,
        dryRun: true,
        ...(outcome.related.length > 0 && { related: relatedJson(outcome.related) }),
      };
    case 'busy':
      return { jobId: outcome.jobId, from: null, to: null, ...empty };
    case 'done':
    case 'stopped':
      return jobsJson(outcome.jobs);
  }
}

function jobsJson(jobs: readonly ExtractedJob[]): object {
  const [first, last] = [jobs[0], jobs.at(-1)];
  if (first === undefined || last === undefined)
    return { jobId: null, from: null, to: null, ...empty };
  const sum = (key: keyof typeof empty): number => jobs.reduce((total, job) => total + job[key], 0);
  return {
    jobId: last.jobId,
    ...interval({ from: first.interval.from, to: last.interval.to }),
    expected: sum('expected'),
    extracted: sum('extracted'),
    duplicates: sum('duplicates'),
    batches: sum('batches'),
    ...(jobs.length > 1 && { jobs: jobs.map(jobJson) }),
  };
}

function jobJson(job: ExtractedJob): object {
  const { jobId, expected, extracted, duplicates, batches } = job;
  return { jobId, ...interval(job.interval), expected, extracted, duplicates, batches };
}

function interval({ from, to }: Interval) {
  return { from: iso(from), to: iso(to) };
}

/** The same for people. */
export function extractLines(outcome: ExtractOutcome): string[] {
  switch (outcome.kind) {
    case 'nothing-new':
      return [`nothing to extract: ${nothingWords(outcome.interval)}`];
    case 'dry-run':
      return [
        `${counted(outcome.expected, 'message')} from ${describeInterval(outcome.interval)}; nothing was written`,
        ...outcome.related.map(relatedLine),
      ];
    case 'busy':
      return [];
    case 'done':
    case 'stopped':
      return outcome.jobs.map(jobLine);
  }
}

/** The start may lie behind the end, where the last job reached further. */
function nothingWords({ from, to }: Interval): string {
  return from > to
    ? `the last job reaches to ${iso(from)}, and the range ends before that, at ${iso(to)}`
    : `no time lies between ${iso(from)} and ${iso(to)}`;
}

function relatedJson(probes: readonly JoinProbe[]): object {
  return Object.fromEntries(
    probes.map(({ name, sampled, withRecords, records, withoutValue, isLowerBound }) => [
      name,
      { sampled, withRecords, records, withoutValue, ...(isLowerBound && { atLeast: true }) },
    ]),
  );
}

function relatedLine(probe: JoinProbe): string {
  const { name, sampled, withRecords, records, withoutValue, isLowerBound } = probe;
  if (sampled === 0) return `${name}: no messages to sample`;
  const least = isLowerBound ? 'at least ' : '';
  const lacking =
    withoutValue > 0 ? `; ${grouped(withoutValue)} have no value to find records by` : '';
  return `${name}: of ${counted(sampled, 'message')} sampled, ${least}${grouped(withRecords)} have records, ${least}${grouped(records)} in all${lacking}`;
}

function jobLine(job: ExtractedJob): string {
  const { jobId, expected, extracted, duplicates, batches } = job;
  const of = `job ${jobId}, ${describeInterval(job.interval)}`;
  const others = duplicates > 0 ? `; ${grouped(duplicates)} belong to other jobs already` : '';
  if (extracted > 0) {
    return `${of}: added ${grouped(extracted)} of ${counted(expected, 'message')} in ${counted(batches, 'batch')}${others}`;
  }
  return `${of}: added nothing: ${whyNothing(job)}`;
}

function whyNothing({ status, expected, duplicates }: ExtractedJob): string {
  if (status !== 'completed') return `it is ${status}`;
  if (expected === 0) return 'there are no messages';
  const own = expected - duplicates;
  return [
    ...(own > 0 ? [`${counted(own, 'message')} were there already`] : []),
    ...(duplicates > 0 ? [`${counted(duplicates, 'message')} belong to other jobs already`] : []),
  ].join(', ');
}

export function extractVerdict(outcome: ExtractOutcome, stopCode: number): Verdict {
  switch (outcome.kind) {
    case 'stopped':
      return { code: stopCode, next: 'what was read is kept; the same command goes on from there' };
    case 'busy':
      return {
        code: EXIT.busy,
        next:
          `job ${outcome.jobId} is being extracted by ${outcome.owner}; wait for it, ` +
          `or until its lease runs out at ${outcome.leaseExpiresAt.toISOString()}`,
      };
    case 'done': {
      const failed = outcome.jobs.filter(({ status }) => status === 'failed');
      return failed.length === 0 ? done : { code: EXIT.leftOver, next: failedNext(failed) };
    }
    case 'nothing-new':
    case 'dry-run':
      return done;
  }
}

function failedNext(jobs: readonly ExtractedJob[]): string {
  const windows = jobs.flatMap(({ failedWindows }) => failedWindows);
  const [first] = windows;
  const which = first ? ` (${describeInterval(first.interval)}: ${first.reason})` : '';
  return `${counted(windows.length, 'window')} could not be read whole${which}; run the same extract again`;
}
