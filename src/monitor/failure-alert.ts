import { randomBytes } from 'node:crypto';
import { shownLine } from '../commands/terminal/printable.js';
import type { Connections } from '../core/connect.js';
import { ownerOf, type Host, type Report } from '../core/run.js';
import { continueEpisode } from '../core/tracking/alert-episodes.js';
import { Complaint } from './complaint.js';
import { FailureRateWatch, type FailureRate } from './failure-rate.js';
import type { Part } from './part.js';

/** How often an episode is renewed in the tracking database, in milliseconds, and how long it counts there, in seconds. */
const RENEW_MS = 60_000;
const EPISODE_SECONDS = 600;
/** Error codes that are named. */
const MOST_CODES = 5;

export interface FailureAlertOptions {
  /** Share of the messages that may fail, 0 to 1. */
  readonly threshold: number;
  readonly host: Host;
  readonly report: Report;
  readonly publish: (subject: string, text: string) => Promise<void>;
}

/** Tells people when too many messages fail: once in an episode, by one of all the hosts that see it. */
export function alertOnFailures({ threshold, host, report, publish }: FailureAlertOptions): Part {
  const complaint = new Complaint(report, 'the alert is not sent');
  const token = randomBytes(16).toString('hex');
  let on: Connections | undefined;
  let working = Promise.resolve();
  /** Not published yet. */
  let unsent: { readonly subject: string; readonly text: string } | undefined;
  const send = async () => {
    if (!unsent) return;
    try {
      await publish(unsent.subject, unsent.text);
      unsent = undefined;
      complaint.worked();
    } catch (error) {
      complaint.failed(error);
    }
  };
  const tell = async (rate: FailureRate) => {
    const said = words(rate, threshold, ownerOf(host), on);
    report({ type: 'log', level: 'error', message: `${said.subject}: ${codesOf(rate)}` });
    if (!(await isOurs(on, token))) return;
    unsent = said;
    await send();
  };
  const renew = async () => {
    if (watch.isEpisode) await isOurs(on, token);
    await send();
  };
  const watch = new FailureRateWatch({
    threshold,
    now: () => performance.now(),
    onBegin: (rate) => void (working = working.then(() => tell(rate))),
    onEnd: () => report({ type: 'log', level: 'info', message: 'fewer messages fail again' }),
  });
  const timer = setInterval(() => void (working = working.then(renew)), RENEW_MS).unref();
  return {
    report: watch.report,
    connected: (connections) => {
      on = connections;
      return async () => {
        watch.close();
        await working;
        on = undefined;
      };
    },
    close: async () => {
      clearInterval(timer);
      await (working = working.then(send));
    },
  };
}

/** Where MySQL can't be asked, one alert too many is better than none. */
async function isOurs(on: Connections | undefined, token: string): Promise<boolean> {
  if (!on) return true;
  return continueEpisode(on.leases, 'failure-rate', token, EPISODE_SECONDS).catch(() => true);
}

function words(
  rate: FailureRate,
  threshold: number,
  owner: string,
  on: Connections | undefined,
): { subject: string; text: string } {
  const subject = `es-migrate: ${percent(rate.share)} of the messages fail`;
  const text = [
    `${rate.failed} of ${rate.messages} messages failed within the last 10 minutes, as ${owner} saw it; the threshold is ${percent(threshold)}.`,
    ...(on ? [`Source: ${on.settings.source.index}. Target: ${targetOf(on)}.`] : []),
    '',
    'Most frequent reasons:',
    ...rate.codes.slice(0, MOST_CODES).map(([code, messages]) => `  ${code}: ${messages}`),
    '',
    'To look closer:  es-migrate errors --limit 20',
    'To see progress: es-migrate status',
    '',
    'Another alert follows only after the share has fallen below half of the threshold.',
  ];
  return { subject, text: text.map(shownLine).join('\n') };
}

const codesOf = ({ codes }: FailureRate) =>
  codes
    .slice(0, MOST_CODES)
    .map(([code, messages]) => `${code} ${messages}`)
    .join(', ');

const percent = (share: number) => `${Number((100 * share).toPrecision(2))} %`;

function targetOf({ settings: { target } }: Connections): string {
  if (!target) return 'none';
  return target.kind === 'file' ? 'a directory' : `s3://${target.bucket}`;
}
