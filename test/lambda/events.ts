import type { Message } from '@aws-sdk/client-sqs';
import type { SqsEvent } from '../../src/lambda/event.js';

/** An event as the event source makes it. */
export function eventOf(messages: readonly Message[], receives = 1): SqsEvent {
  return {
    Records: messages.map(({ MessageId = '', ReceiptHandle = '', Body = '' }) => ({
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: { ApproximateReceiveCount: String(receives) },
    })),
  };
}
