import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../core/run.js';
import type { CloudWatchMetrics } from './aws/cloudwatch.js';
import { Complaint } from './complaint.js';
import type { Meter } from './meter.js';
import type { Part } from './part.js';

/** CloudWatch keeps a minute apart from the next, unless it is paid for more. */
const EVERY_MS = 60_000;
const AGAIN_MS = 1_000;

/** Sends what a run measures to CloudWatch, once a minute and at its end. What can't be sent is sent with the next. */
export function sendMetrics(meter: Meter, to: CloudWatchMetrics, report: Report): Part {
  const complaint = new Complaint(report, 'metrics are not sent');
  let sending = Promise.resolve(true);
  const send = async () => {
    const readings = meter.take();
    try {
      await to.put(readings, new Date());
      complaint.worked();
      return true;
    } catch (error) {
      meter.putBack(readings);
      complaint.failed(error);
      return false;
    }
  };
  const next = () => (sending = sending.then(send));
  const timer = setInterval(() => void next(), EVERY_MS).unref();
  return {
    report: meter.report,
    level: (name, value) => meter.set(name, value),
    close: async () => {
      clearInterval(timer);
      // There is no next time: one that is refused for asking too much is tried once more.
      if (!(await next())) {
        await sleep(AGAIN_MS);
        await next();
      }
      to.close();
    },
  };
}
