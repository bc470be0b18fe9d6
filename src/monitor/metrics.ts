import type { Measure } from '../core/run.js';

/** As CloudWatch names them. */
export type Unit = 'Count' | 'Milliseconds' | 'Bytes' | 'Count/Second';

export interface Metric {
  /** `sum`: of what happened. `spread`: how single values lie. `level`: what is so at the moment. */
  readonly kind: 'sum' | 'spread' | 'level';
  readonly unit: Unit;
  readonly help: string;
}

/** Every metric there is, by its name in CloudWatch. */
export const METRICS = {
  MessagesExtracted: { kind: 'sum', unit: 'Count', help: 'Messages whose ids were read.' },
  WindowsFailed: { kind: 'sum', unit: 'Count', help: 'Windows that could not be read whole.' },
  MessagesCompleted: { kind: 'sum', unit: 'Count', help: 'Messages that are in the target.' },
  MessagesFailed: { kind: 'sum', unit: 'Count', help: 'Messages that failed.' },
  MessagesRequeued: { kind: 'sum', unit: 'Count', help: 'Failed messages put back to pending.' },
  MessagesPerSecond: {
    kind: 'level',
    unit: 'Count/Second',
    help: 'Messages completed a second, of one command.',
  },
  MessagesStandingFailed: {
    kind: 'level',
    unit: 'Count',
    help: 'Messages that stand as failed and are not accepted, of all jobs.',
  },
  Backlog: { kind: 'level', unit: 'Count', help: 'Messages pending or in progress, of all jobs.' },
  BatchesCompleted: { kind: 'sum', unit: 'Count', help: 'Batches carried to their end.' },
  BatchesReturned: { kind: 'sum', unit: 'Count', help: 'Batches given back before their end.' },
  BatchDuration: {
    kind: 'spread',
    unit: 'Milliseconds',
    help: 'How long a batch took, from its claim to its completion.',
  },
  UploadedBytes: { kind: 'sum', unit: 'Bytes', help: 'Bytes of completed objects.' },
  UploadErrors: {
    kind: 'sum',
    unit: 'Count',
    help: 'Requests to the target that failed, and messages it refused.',
  },
  SourceLatency: {
    kind: 'spread',
    unit: 'Milliseconds',
    help: 'How long Elasticsearch took to begin an answer.',
  },
  SourceRefusals: {
    kind: 'sum',
    unit: 'Count',
    help: 'Requests Elasticsearch refused because it has too much to do (429 and the like).',
  },
  SourceErrors: { kind: 'sum', unit: 'Count', help: 'Requests to Elasticsearch that failed.' },
  TrackingErrors: { kind: 'sum', unit: 'Count', help: 'Requests to MySQL that failed.' },
  QueueErrors: { kind: 'sum', unit: 'Count', help: 'Requests to SQS that failed.' },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;

export interface Sample {
  readonly name: MetricName;
  readonly value: number;
  /** Of failed messages. */
  readonly code?: string;
}

/** A measure in metrics. */
export function samplesOf(measure: Measure): readonly Sample[] {
  switch (measure.kind) {
    case 'extracted':
      return [{ name: 'MessagesExtracted', value: measure.messages }];
    case 'window-failed':
      return [{ name: 'WindowsFailed', value: 1 }];
    case 'batch':
      return samplesOfBatch(measure);
    case 'given-up':
      return [{ name: 'MessagesFailed', value: measure.messages, code: measure.code }];
    case 'returned':
      return [{ name: 'BatchesReturned', value: 1 }];
    case 'requeued':
      return [{ name: 'MessagesRequeued', value: measure.messages }];
    case 'answer':
      return [{ name: 'SourceLatency', value: measure.ms }];
    case 'refused':
      return [{ name: 'SourceRefusals', value: 1 }];
    case 'fault':
      return [{ name: ERRORS_OF[measure.server], value: 1 }];
    case 'idle':
      return [];
  }
}

const ERRORS_OF = {
  Elasticsearch: 'SourceErrors',
  MySQL: 'TrackingErrors',
  S3: 'UploadErrors',
  'the target directory': 'UploadErrors',
  SQS: 'QueueErrors',
} as const;

type Batch = Extract<Measure, { kind: 'batch' }>;

function samplesOfBatch({ ms, completed, failed, bytes }: Batch): Sample[] {
  const refused = failed['upload_failed'] ?? 0;
  return [
    { name: 'BatchesCompleted', value: 1 },
    { name: 'BatchDuration', value: ms },
    { name: 'MessagesCompleted', value: completed },
    { name: 'UploadedBytes', value: bytes },
    ...Object.entries(failed).map(([code, value]) => ({
      ...{ name: 'MessagesFailed' as const, value, code },
    })),
    ...(refused > 0 ? [{ name: 'UploadErrors' as const, value: refused }] : []),
  ];
}
