import type { Reading } from '../monitor/meter.js';
import { METRICS } from '../monitor/metrics.js';
import type { LambdaLog } from './log.js';

/** Values of one metric in one line, by the specification. */
const MOST_VALUES = 100;

/**
 * Writes metrics as log lines that CloudWatch reads (embedded metric format specification): no request, and nothing to wait
 * for. They have no dimensions, as those of hosts: all functions and hosts of a namespace add up.
 */
export function writeMetrics(
  log: LambdaLog,
  namespace: string,
  readings: readonly Reading[],
): void {
  const all = readings.map(({ name, values }) => ({ name, values: repeated(values) }));
  const most = Math.max(0, ...all.map(({ values }) => values.length));
  for (let first = 0; first < most; first += MOST_VALUES) {
    const some = all
      .map(({ name, values }) => ({ name, values: values.slice(first, first + MOST_VALUES) }))
      .filter(({ values }) => values.length > 0);
    const Metrics = some.map(({ name: Name }) => ({ Name, Unit: METRICS[Name].unit }));
    log.write({
      _aws: {
        Timestamp: Date.now(),
        CloudWatchMetrics: [{ Namespace: namespace, Dimensions: [[]], Metrics }],
      },
      ...Object.fromEntries(
        some.map(({ name, values }) => [name, values.length === 1 ? values[0] : values]),
      ),
    });
  }
}

/** Each value as often as it came: the format knows no counts. */
function repeated(values: Reading['values']): number[] {
  return [...values].flatMap(([value, times]) => Array.from({ length: times }, () => value));
}
