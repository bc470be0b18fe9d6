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

/** Of a schedule, which says nothing; by hand a range may be given, as `--from` and `--to` take it. */
export interface ExtractEvent {
  readonly from?: string;
  readonly to?: string;
}
