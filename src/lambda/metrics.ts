import type { LambdaLog } from './log.js';

/** Units as CloudWatch names them. */
export interface Metric {
  readonly value: number;
  readonly unit: 'Count' | 'Milliseconds' | 'Count/Second';
}

/**
 * Writes metrics as a log line that CloudWatch reads (embedded metric format specification): no request, and nothing to
 * wait for.
 */
export function writeMetrics(
  log: LambdaLog,
  functionName: string,
  metrics: Readonly<Record<string, Metric>>,
): void {
  const values = Object.entries(metrics).map(([name, { value }]) => [name, value] as const);
  log.write({
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [
        {
          Namespace: 'es-migrate',
          Dimensions: [['function']],
          Metrics: Object.entries(metrics).map(([Name, { unit: Unit }]) => ({ Name, Unit })),
        },
      ],
    },
    function: functionName,
    ...Object.fromEntries(values),
  });
}
