import { usage } from '../core/errors.js';

/** What Lambda hands a function besides the event, as far as we read it. */
export interface Context {
  readonly awsRequestId: string;
  readonly functionName: string;
  /** Milliseconds until the function is ended. */
  getRemainingTimeInMillis(): number;
}

/** Messages of an SQS event source mapping. */
export interface SqsEvent {
  readonly Records: readonly {
    readonly messageId: string;
    readonly receiptHandle: string;
    readonly body: string;
    readonly attributes: { readonly ApproximateReceiveCount: string };
  }[];
}

/** Which messages the event source must not delete (`ReportBatchItemFailures`). */
export interface SqsResponse {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

/** By hand a range may be given, as `--from` and `--to` take it. */
export interface ExtractEvent {
  readonly from?: string;
  readonly to?: string;
}

/**
 * The range an event asks for; none where it is a schedule's, or says nothing.
 *
 * @throws MigrateError `usage` for what is neither: a mistyped range must not become everything there is
 */
export function rangeOf(event: unknown): ExtractEvent {
  if (event === null || event === undefined) return {};
  if (typeof event !== 'object' || Array.isArray(event)) throw notARange('is no JSON object');
  // EventBridge's own, rules and schedules alike.
  if ('detail-type' in event) return {};
  for (const [key, value] of Object.entries(event)) {
    if (key !== 'from' && key !== 'to')
      throw notARange(`has the unknown key ${JSON.stringify(key)}`);
    if (typeof value !== 'string') throw notARange(`has a ${key} that is no string`);
  }
  return event;
}

function notARange(why: string): Error {
  return usage(
    `the event ${why}`,
    'Give a range, {"from":"2024-10-01","to":"2024-10-31"}, or {} for everything from where the last job ended.',
  );
}
