import type { Counts, JobStatus, StatusReport } from '../core/status/types.js';
import { relatedLines } from './related-report.js';
import { acceptedOf, counted, grouped, percent, spoken } from '../core/words.js';
import { table } from './terminal/table.js';

export function statusJson({ jobs, throttled, ...rest }: StatusReport): object {
  return {
    jobs: jobs.map((job) => {
      const { jobId, from, to, status, state, expected, extracted, duplicates } = job;
      return {
        jobId,
        from: from.toISOString(),
        to: to.toISOString(),
        status,
        state,
        expected,
        extracted,
        duplicates,
        failedWindows: job.failedWindows,
      };
    }),
    ...rest,
    throttled: throttled.map((limit) => ({ ...limit, since: limit.since.toISOString() })),
  };
}

export function statusLines(report: StatusReport): string[] {
  const { jobs, messages, batches, related, stuck, throttled, uploading } = report;
  const { messagesPerSecond, secondsLeft } = report;
  const slowed = throttled.map(
    ({ owner, share, reason, seconds }) =>
      `${owner} slowed down ${spoken(seconds)} ago and is at ${percent(share)}: ${reason} at Elasticsearch`,
  );
  // An extraction may be slowed down before it has a job.
  if (jobs.length === 0) return ['no jobs yet; "es-migrate extract" makes the first', ...slowed];
  const jobRows = jobs.map((job) => {
    const { total, pending, inProgress, completed, failed } = job.messages;
    const figures = [job.expected, total, pending, inProgress, completed, failed].map(grouped);
    return [
      grouped(job.jobId),
      shortInstant(job.from),
      shortInstant(job.to),
      stateWords(job),
      ...figures,
    ];
  });
  const rate =
    messagesPerSecond === null
      ? 'no messages completed lately'
      : `${grouped(messagesPerSecond)} messages a second`;
  const left = secondsLeft === null ? '' : `, about ${spoken(secondsLeft)} left`;
  return [
    ...table([
      [
        'job',
        'from',
        'to (exclusive)',
        'state',
        'expected',
        'tracked',
        'pending',
        'in progress',
        'completed',
        'failed',
      ],
      ...jobRows,
    ]),
    '',
    ...table([
      ['', 'total', 'pending', 'in progress', 'completed', 'failed', 'accepted'],
      row('messages', messages),
      row('batches', batches),
    ]),
    '',
    ...relatedLines(related),
    `${rate}${left}`,
    ...(stuck > 0
      ? [
          `${grouped(stuck)} stuck: leases that ran out, or whose process is gone; the next process takes them over, or "es-migrate reset-stuck"`,
        ]
      : []),
    ...uploading.map(({ owner, inFlight, allowed, reason }) => {
      const fewer = reason === null ? '' : `, fewer since the target answered ${reason}`;
      return `${owner} has ${counted(inFlight, 'upload')} in flight, ${grouped(allowed)} allowed${fewer}`;
    }),
    ...slowed,
    ...jobs
      .filter(({ failedWindows }) => failedWindows.length > 0)
      .map(({ jobId, failedWindows }) => windowsLine(jobId, failedWindows)),
  ];
}

function row(name: string, counts: Counts): string[] {
  const { total, pending, inProgress, completed, failed, accepted } = counts;
  return [name, ...[total, pending, inProgress, completed, failed, accepted].map(grouped)];
}

function stateWords({ state, messages: { failed, accepted } }: JobStatus): string {
  if (state !== 'done' || failed === 0) return state;
  return `done, ${grouped(failed)} failed${acceptedOf(accepted)}`;
}

/** Windows named one by one; `accept` asks for their numbers. */
const WINDOWS_NAMED = 10;

function windowsLine(jobId: number, windows: JobStatus['failedWindows']): string {
  const open = windows.filter(({ accepted }) => !accepted).map(({ windowId }) => windowId);
  const settled = windows.length - open.length;
  const accepted = settled > 0 ? `${counted(settled, 'window')} accepted as not read whole` : '';
  if (open.length === 0) return `job ${jobId}: ${accepted}`;
  const more = open.length > WINDOWS_NAMED ? ', …' : '';
  const named = `${open.slice(0, WINDOWS_NAMED).join(', ')}${more}`;
  return `job ${jobId}: ${counted(open.length, 'window')} could not be read whole (${named}); extract it again, or accept it with --window${accepted === '' ? '' : `; ${accepted}`}`;
}

/** Without the parts that are zero: `2024-10-01`, `2024-10-01T12:30Z`. */
function shortInstant(date: Date): string {
  return date
    .toISOString()
    .replace(/(:00)?\.000Z$/, 'Z')
    .replace(/T00:00Z$/, '');
}
