import { randomBytes } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import type { BatchMessage } from '../../src/core/queue/message.js';
import { sandbox } from '../support/sandbox.js';

export interface FreshQueue {
  readonly url: string;
  readonly region: string;
  /** Where messages go that nobody can use. */
  readonly deadLettersUrl: string;
  /** Deletes that queue; the redrive policy still names it. */
  dropDeadLetters(): Promise<void>;
  /** Puts a body there as a stranger would. */
  put(body: string): Promise<void>;
  /** Takes everything out of a queue that can be received now, by a client of our own. */
  drain(url?: string): Promise<Message[]>;
  /** Gives back a message that `drain` took out. */
  release(message: Message | undefined): Promise<void>;
  /** Deletes one that `drain` took out. */
  remove(message: Message | undefined): Promise<void>;
  /** Messages that wait, are held back or are being worked on. */
  counts(url?: string): Promise<{ waiting: number; inFlight: number; delayed: number }>;
}

/** A queue of this test's own in the sandbox, with a dead-letter queue. */
export async function freshQueue({
  maxReceives = 5,
  visibilitySeconds = 30,
  redrive = true,
} = {}): Promise<FreshQueue> {
  const { endpoint, region, accessKeyId, secretAccessKey } = sandbox().sqs;
  const client = new SQSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  onTestFinished(() => client.destroy());
  const name = `test-${randomBytes(6).toString('hex')}`;
  const create = async (QueueName: string, Attributes: Record<string, string> = {}) => {
    const { QueueUrl = '' } = await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    return QueueUrl;
  };
  const deadLettersUrl = await create(`${name}-dead`);
  const arn = `arn:aws:sqs:${region}:000000000000:${name}-dead`;
  const policy = { deadLetterTargetArn: arn, maxReceiveCount: maxReceives };
  const url = await create(name, {
    ...(redrive && { RedrivePolicy: JSON.stringify(policy) }),
    VisibilityTimeout: String(visibilitySeconds),
  });
  return {
    url,
    region,
    deadLettersUrl,
    dropDeadLetters: async () => {
      await client.send(new DeleteQueueCommand({ QueueUrl: deadLettersUrl }));
    },
    put: async (MessageBody) => {
      await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody }));
    },
    drain: async (QueueUrl = url) => {
      const all: Message[] = [];
      for (;;) {
        const { Messages = [] } = await client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            MessageAttributeNames: ['All'],
            VisibilityTimeout: 600,
          }),
        );
        if (Messages.length === 0) return all;
        all.push(...Messages);
      }
    },
    release: async ({ ReceiptHandle } = {}) => {
      const command = { QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 };
      await client.send(new ChangeMessageVisibilityCommand(command));
    },
    remove: async ({ ReceiptHandle } = {}) => {
      await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
    },
    counts: async (QueueUrl = url) => {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
      );
      const count = (of: string) =>
        Number((Attributes as Record<string, string>)[`ApproximateNumberOfMessages${of}`] ?? 0);
      return { waiting: count(''), inFlight: count('NotVisible'), delayed: count('Delayed') };
    },
  };
}

export const NO_MESSAGES = { waiting: 0, inFlight: 0, delayed: 0 };

export function message(batchId: number, changes: Partial<BatchMessage> = {}): BatchMessage {
  return {
    databaseId: 'some database',
    jobId: 1,
    batchId,
    attempt: 1,
    isExcused: false,
    ...changes,
  };
}

/** The batches that messages name, in order. */
export function batchesOf(messages: readonly Message[]): number[] {
  return messages
    .map(({ Body = '' }) => (JSON.parse(Body) as { batch: number }).batch)
    .sort((a, b) => a - b);
}
