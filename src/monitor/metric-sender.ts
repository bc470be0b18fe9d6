import type { Report } from '../core/run.js';
import type { CloudWatchMetrics } from './aws/cloudwatch.js';
import { Complaint } from './complaint.js';
import type { Meter } from './meter.js';
import type { Part } from './part.js';

/** CloudWatch keeps a minute apart from the next, unless it is paid for more. */
const EVERY_MS = 60_000;

/** Sends what a run measures to CloudWatch, once a minute and at its end. What can't be sent is sent with the next. */
export function sendMetrics(meter: Meter, to: CloudWatchMetrics, report: Report): Part {
  const complaint = new Complaint(report, 'metrics are not sent');
  let sending = Promise.resolve();
  const send = async () => {
    const readings = meter.take();
    try {
      await to.put(readings, new Date());
      complaint.worked();
    } catch (error) {
      meter.putBack(readings);
      complaint.failed(error);
    }
  };
  const next = () => (sending = sending.then(send));
  const timer = setInterval(() => void next(), EVERY_MS).unref();
  return {
    report: meter.report,
    close: async () => {
      clearInterval(timer);
      await next();
      to.close();
    },
  };
}
