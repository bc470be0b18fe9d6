import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../core/run.js';
import type { CloudWatchLogs, LogLine } from './aws/cloudwatch-logs.js';
import { Complaint } from './complaint.js';
import type { Part } from './part.js';

const EVERY_MS = 5_000;
/** Lines kept while they can't be sent; the oldest go first. */
const MOST_WAITING = 10_000;
/** How long the last lines are waited for, in milliseconds. */
const CLOSING_MS = 10_000;
/** Between two attempts then. */
const AGAIN_MS = 1_000;

/** Sends a run's log lines to CloudWatch Logs, every few seconds and at its end. */
export function sendLines(to: CloudWatchLogs, report: Report): Part {
  const complaint = new Complaint(report, 'log lines are not sent');
  let waiting: LogLine[] = [];
  let dropped = 0;
  let sending = Promise.resolve();
  const sendAll = async (until: number) => {
    try {
      while (waiting.length > 0 && performance.now() < until) {
        const sent = await to.put(waiting);
        waiting = waiting.slice(sent);
        complaint.worked();
      }
    } catch (error) {
      complaint.failed(error);
    }
  };
  const next = (until: number) => (sending = sending.then(() => sendAll(until)));
  const timer = setInterval(() => void next(Infinity), EVERY_MS).unref();
  let lastAt = 0;
  const add = (text: string) => {
    // Where the clock is set back, they still have to stand in order.
    lastAt = Math.max(lastAt, Date.now());
    waiting.push({ at: lastAt, text });
  };
  return {
    line: (line) => {
      if (dropped > 0 && waiting.length < MOST_WAITING) {
        add(JSON.stringify({ level: 40, msg: `${dropped} lines before this one were not sent` }));
        dropped = 0;
      }
      add(line.trimEnd());
      if (waiting.length <= MOST_WAITING) return;
      waiting.shift();
      dropped += 1;
    },
    close: async () => {
      clearInterval(timer);
      const until = performance.now() + CLOSING_MS;
      await next(until);
      while (waiting.length > 0 && performance.now() < until) {
        await sleep(AGAIN_MS);
        await next(until);
      }
      to.close();
    },
  };
}
