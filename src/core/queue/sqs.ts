import { toUSVString } from 'node:util';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
  SendMessageBatchCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { NEVER } from '../any-signal.js';
import { hideCredentials } from '../aws/known-credentials.js';
import { encryptedOnly, ENCRYPTED_ONLY } from '../aws/encrypted-only.js';
import { agents, SILENT } from '../aws/request-handler.js';
import { Fault } from '../fault.js';
import { retrying, type RetryPolicy } from '../retry.js';
import { serverText } from '../server-text.js';
import type { QueueSettings } from '../settings.js';
import { tlsOptions } from '../tls.js';
import { bodyOf, type BatchMessage } from './message.js';
import type { Delivery, Queue, QueueState } from './queue.js';
import { regionOf } from './region.js';
import { sqsFault, type AskedQueue } from './sqs-faults.js';

/** Messages of one request, by SQS's own limit. */
const AT_ONCE = 10;
/**
 * How long SQS waits for the first message, in seconds. Not its longest: a poll is waited for where the run is to stop, since
 * one that is cut off may still be handed a message.
 */
const LONG_POLL_S = 5;
const CONNECT_TIMEOUT_MS = 10_000;
/** How long credentials are waited for: whoever hands them out to an instance may be slow, and can't be told from nobody. */
const CREDENTIALS_MS = 5_000;
const LONGEST_VISIBILITY_S = 43_200;
/** Where the queue does not say how long it keeps messages. */
const LONGEST_RETENTION_S = 14 * 86_400;
const ATTRIBUTES = [
  'RedrivePolicy',
  'MessageRetentionPeriod',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
] as const;
/** Longer than a poll: until then silence is an answer on its way. */
const IDLE_TIMEOUT_MS = 25_000 + LONG_POLL_S * 1000;
/** Most characters of a reason on a buried message; SQS takes 256 KB for all attributes together. */
const LONGEST_REASON = 1_000;

type Send<Output> = (signal: AbortSignal) => Promise<Output>;

/** Connects to an SQS queue; nothing is sent until the first request. */
export function openSqs(settings: QueueSettings, policy: RetryPolicy): Queue {
  return new SqsQueue(settings, policy);
}

class SqsQueue implements Queue {
  readonly #client: SQSClient;
  readonly #url: string;
  readonly #policy: RetryPolicy;
  /** Until then it may be that there are no credentials to ask with; afterwards they are being renewed. */
  #hasAnswered = false;
  #firstAskedAt: number | undefined;

  constructor(
    { url, region = regionOf(url), insecure = false }: QueueSettings,
    policy: RetryPolicy,
  ) {
    this.#url = url;
    this.#policy = policy;
    this.#client = new SQSClient({
      // The caller has one policy for all.
      maxAttempts: 1,
      ...(region !== undefined && { region }),
      endpoint: new URL(url).origin,
      // The dead-letter queue's URL comes from an answer: no request goes to whatever host that names.
      useQueueUrlAsEndpoint: false,
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        socketTimeout: IDLE_TIMEOUT_MS,
        ...agents(tlsOptions({ insecure }), Number.POSITIVE_INFINITY),
        logger: SILENT,
      },
    });
    hideCredentials(this.#client);
    if (!insecure) {
      const { middlewareStack } = this.#client;
      middlewareStack.add(encryptedOnly('SQS'), ENCRYPTED_ONLY);
    }
  }

  async send(
    messages: readonly BatchMessage[],
    delaySeconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    for (let first = 0; first < messages.length; first += AT_ONCE) {
      await this.#sendSome(messages.slice(first, first + AT_ONCE), delaySeconds, signal);
    }
  }

  async state(signal: AbortSignal): Promise<QueueState> {
    const attributes = await this.#attributes(signal);
    const { deadLetterTargetArn, maxReceiveCount } = redriveOf(attributes);
    const count = (name: keyof typeof attributes) => Number(attributes[name] ?? 0);
    return {
      maxReceives: maxReceiveCount === undefined ? undefined : Number(maxReceiveCount),
      deadLetters: deadLetterTargetArn,
      retentionSeconds: count('MessageRetentionPeriod') || LONGEST_RETENTION_S,
      messages:
        count('ApproximateNumberOfMessages') +
        count('ApproximateNumberOfMessagesNotVisible') +
        count('ApproximateNumberOfMessagesDelayed'),
    };
  }

  async findDeadLetters(
    { deadLetters }: QueueState,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const [, , , , account, name] = deadLetters?.split(':') ?? [];
    if (name === undefined) return undefined;
    const command = new GetQueueUrlCommand({ QueueName: name, QueueOwnerAWSAccountId: account });
    const { QueueUrl } = await this.#ask(
      'sqs:GetQueueUrl',
      signal,
      (abortSignal) => this.#client.send(command, { abortSignal }),
      { name, isDeadLetters: true },
    );
    return QueueUrl;
  }

  async receive(visibilitySeconds: number, signal: AbortSignal): Promise<Delivery | undefined> {
    const { Messages = [] } = await this.#ask('sqs:ReceiveMessage', signal, (abortSignal) =>
      this.#client.send(
        new ReceiveMessageCommand({
          QueueUrl: this.#url,
          MaxNumberOfMessages: 1,
          VisibilityTimeout: Math.min(visibilitySeconds, LONGEST_VISIBILITY_S),
          WaitTimeSeconds: LONG_POLL_S,
          MessageSystemAttributeNames: ['ApproximateReceiveCount'],
        }),
        { abortSignal },
      ),
    );
    const [message] = Messages;
    if (message?.ReceiptHandle === undefined) return undefined;
    return {
      messageId: message.MessageId ?? '?',
      body: message.Body ?? '',
      receipt: message.ReceiptHandle,
      receives: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
    };
  }

  async extend({ receipt }: Delivery, visibilitySeconds: number): Promise<void> {
    await this.#ask('sqs:ChangeMessageVisibility', NEVER, (abortSignal) =>
      this.#client.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: this.#url,
          ReceiptHandle: receipt,
          VisibilityTimeout: Math.min(visibilitySeconds, LONGEST_VISIBILITY_S),
        }),
        { abortSignal },
      ),
    );
  }

  async delete({ receipt }: Delivery): Promise<void> {
    await this.#ask('sqs:DeleteMessage', NEVER, (abortSignal) =>
      this.#client.send(new DeleteMessageCommand({ QueueUrl: this.#url, ReceiptHandle: receipt }), {
        abortSignal,
      }),
    );
  }

  async bury(delivery: Delivery, reason: string): Promise<boolean> {
    const url = await this.findDeadLetters(await this.state(NEVER), NEVER);
    if (url !== undefined) {
      const value = { DataType: 'String', StringValue: attributeText(reason) };
      // First there, then no longer here: in between it is in both, and what it says is refused once more.
      const command = new SendMessageCommand({
        QueueUrl: url,
        MessageBody: delivery.body,
        MessageAttributes: { reason: value },
      });
      const send: Send<unknown> = (abortSignal) => this.#client.send(command, { abortSignal });
      await this.#ask('sqs:SendMessage', NEVER, send, { name: url, isDeadLetters: true });
    }
    await this.delete(delivery);
    return url !== undefined;
  }

  close(): Promise<void> {
    this.#client.destroy();
    return Promise.resolve();
  }

  /** Those that the queue did not take are sent again as long as a request is. */
  async #sendSome(
    messages: readonly BatchMessage[],
    delaySeconds: number,
    signal: AbortSignal,
  ): Promise<void> {
    let left = messages.map((message, i) => ({
      Id: String(i),
      MessageBody: bodyOf(message),
      DelaySeconds: delaySeconds,
    }));
    await this.#ask('sqs:SendMessage', signal, async (abortSignal) => {
      const command = new SendMessageBatchCommand({ QueueUrl: this.#url, Entries: left });
      const { Failed = [] } = await this.#client.send(command, { abortSignal });
      const [first] = Failed;
      if (!first) return;
      left = left.filter(({ Id }) => Failed.some((one) => one.Id === Id));
      const { Code = 'unknown', Message = 'no reason given', SenderFault = false } = first;
      throw new Fault(
        'SQS',
        SenderFault ? 'request' : 'retriable',
        Code,
        `SQS took ${messages.length - left.length} of ${messages.length} messages: ${Code}: ${Message}`,
      );
    });
  }

  async #attributes(signal: AbortSignal) {
    const { Attributes = {} } = await this.#ask('sqs:GetQueueAttributes', signal, (abortSignal) =>
      this.#client.send(
        new GetQueueAttributesCommand({ QueueUrl: this.#url, AttributeNames: [...ATTRIBUTES] }),
        { abortSignal },
      ),
    );
    return Attributes;
  }

  #ask<Output>(
    action: string,
    signal: AbortSignal,
    send: Send<Output>,
    queue: AskedQueue = { name: this.#url },
  ): Promise<Output> {
    const firstAskedAt = (this.#firstAskedAt ??= performance.now());
    const patienceMs = Math.min(CREDENTIALS_MS, this.#policy.retryForMs / 2);
    return retrying(
      this.#policy,
      async () => {
        try {
          const output = await send(signal);
          this.#hasAnswered = true;
          return output;
        } catch (error) {
          const areMissing = !this.#hasAnswered && performance.now() - firstAskedAt > patienceMs;
          throw sqsFault(error, action, queue, areMissing, this.#hasAnswered);
        }
      },
      { signal },
    );
  }
}

function redriveOf({ RedrivePolicy = '{}' }: { RedrivePolicy?: string }) {
  return JSON.parse(RedrivePolicy) as {
    deadLetterTargetArn?: string;
    maxReceiveCount?: number | string;
  };
}

/** A text as an attribute of a message may have it: SQS refuses characters that XML does not know. */
function attributeText(text: string): string {
  const whole = toUSVString(serverText(text, LONGEST_REASON));
  // eslint-disable-next-line no-control-regex
  return whole.replaceAll(/[\u0000-\u001f\ufffe\uffff]/g, ' ');
}
