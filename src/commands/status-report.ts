import type { Counts, StatusReport } from '../core/status/types.js';
import { grouped, percent, spoken } from './terminal/numbers.js';
import { table } from './terminal/table.js';

export function statusJson({ jobs, throttled, ...rest }: StatusReport): object {
  return {
    jobs: jobs.map(({ jobId, from, to, status, expected, extracted, duplicates }) => {
      return {
        jobId,
        from: from.toISOString(),
        to: to.toISOString(),
        status,
        expected,
        extracted,
        duplicates,
      };
    }),
    ...rest,
    throttled: throttled.map((limit) => ({ ...limit, since: limit.since.toISOString() })),
  };
}

export function statusLines(report: StatusReport): string[] {
  const { jobs, messages, batches, stuck, throttled, messagesPerSecond, secondsLeft } = report;
  if (jobs.length === 0) return ['no jobs yet; es-migrate extract makes the first'];
  const jobRows = jobs.map((job) => {
    const { total, pending, inProgress, completed, failed } = job.messages;
    const figures = [job.expected, total, pending, inProgress, completed, failed].map(grouped);
    return [
      grouped(job.jobId),
      shortInstant(job.from),
      shortInstant(job.to),
      job.status,
      ...figures,
    ];
  });
  const rate =
    messagesPerSecond === null
      ? 'no messages completed lately'
      : `${grouped(messagesPerSecond)} messages a second`;
  const left = secondsLeft === null ? '' : `, about ${spoken(secondsLeft)} left`;
  return [
    table([
      [
        'job',
        'from',
        'to',
        'status',
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
    table([
      ['', 'total', 'pending', 'in progress', 'completed', 'failed'],
      row('messages', messages),
      row('batches', batches),
    ]),
    '',
    `${rate}${left}`,
    ...(stuck > 0
      ? [
          `${grouped(stuck)} stuck: leases that ran out; the next process takes them over, or es-migrate reset-stuck`,
        ]
      : []),
    ...throttled.map(
      ({ owner, share, reason, seconds }) =>
        `${owner} slowed down ${spoken(seconds)} ago and is at ${percent(share)}: ${reason} at Elasticsearch`,
    ),
    ...jobs
      .filter(({ failedWindows }) => failedWindows > 0)
      .map(
        ({ jobId, failedWindows }) =>
          `job ${jobId}: ${grouped(failedWindows)} windows could not be read whole; extract it again`,
      ),
  ];
}

function row(name: string, { total, pending, inProgress, completed, failed }: Counts): string[] {
  return [name, ...[total, pending, inProgress, completed, failed].map(grouped)];
}

/** Without the parts that are zero: `2024-10-01`, `2024-10-01T12:30Z`. */
function shortInstant(date: Date): string {
  return date
    .toISOString()
    .replace(/(:00)?\.000Z$/, 'Z')
    .replace(/T00:00Z$/, '');
}
