import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type Message,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { batchFailures } from './batch-failures.js';
import type { LambdaFunction } from './function.js';

export interface SqsSourceOptions {
  readonly client: SQSClient;
  readonly queueUrl: string;
  /** Messages of one event at most, 1 to 10. */
  readonly batchSize: number;
  /** Invocations at once at most. */
  readonly maximumConcurrency: number;
  /** Whether these messages are to be handed out twice, as a queue that delivers at least once may do. */
  readonly isDoubled?: (messages: readonly Message[]) => boolean;
}

export interface SqsSource {
  /** Messages that were received, or handed out, once more. */
  readonly redeliveries: number;
  /** Rejects where the queue can't be read any more; resolves once it was stopped. */
  readonly ended: Promise<unknown>;
  /** Takes no more messages; resolves when all invocations have ended. */
  stop(): Promise<void>;
}

/** How long a poll waits for a message, in seconds; short, for `stop` waits for it. */
const POLL_S = 1;

/** An SQS event source mapping with `ReportBatchItemFailures`, of a standard queue. */
export function startSqsSource(to: LambdaFunction, options: SqsSourceOptions): SqsSource {
  const { client, queueUrl: QueueUrl, isDoubled = () => false } = options;
  const doubles: Message[][] = [];
  let redeliveries = 0;
  let isStopped = false;

  const receive = async (): Promise<readonly Message[]> => {
    const double = doubles.shift();
    if (double) {
      redeliveries += double.length;
      return double;
    }
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: options.batchSize,
        WaitTimeSeconds: POLL_S,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
    );
    redeliveries += Messages.filter((message) => receivesOf(message) > 1).length;
    if (isDoubled(Messages)) doubles.push(Messages);
    return Messages;
  };

  const work = async (): Promise<void> => {
    while (!isStopped) {
      const messages = await receive();
      if (messages.length === 0) continue;
      const records = messages.map((message) => recordOf(message, QueueUrl));
      const outcome = await to.invoke({ Records: records });
      const kept = batchFailures(
        outcome,
        records.map(({ messageId }) => messageId),
      );
      const done = records.filter(({ messageId }) => !kept.includes(messageId));
      if (done.length === 0) continue;
      const Entries = done.map(({ receiptHandle: ReceiptHandle }, i) => ({
        Id: String(i),
        ReceiptHandle,
      }));
      await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    }
  };

  const working = Promise.all(Array.from({ length: options.maximumConcurrency }, work));
  // Told who waits for its end.
  working.catch(() => (isStopped = true));
  return {
    get redeliveries() {
      return redeliveries;
    },
    ended: working,
    stop: async () => {
      isStopped = true;
      await working;
    },
  };
}

function receivesOf({ Attributes }: Message): number {
  return Number(Attributes?.ApproximateReceiveCount ?? 1);
}

/** A message as the function is given it. */
function recordOf(message: Message, queueUrl: string) {
  const { MessageId = '', ReceiptHandle = '', Body = '', Attributes, MD5OfBody } = message;
  return {
    messageId: MessageId,
    receiptHandle: ReceiptHandle,
    body: Body,
    attributes: { ...Attributes },
    messageAttributes: {},
    md5OfBody: MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queueUrl.split('/').at(-1) ?? ''}`,
    awsRegion: 'us-east-1',
  };
}
