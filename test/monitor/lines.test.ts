import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { withSecrets } from '../../src/config/secrets-manager.js';
import { openSqs } from '../../src/core/queue/sqs.js';
import { CloudWatchLogs } from '../../src/monitor/aws/cloudwatch-logs.js';
import { CloudWatchMetrics } from '../../src/monitor/aws/cloudwatch.js';
import { publish } from '../../src/monitor/aws/sns.js';
import { rejection } from '../objects/contents.js';
import { proxyTo, type ProxyOptions } from '../objects/proxy.js';
import { sandboxCredentials } from '../objects/s3.js';
import { freshCertificate } from '../support/certificates.js';
import { sandbox } from '../support/sandbox.js';

beforeEach(sandboxCredentials);

const REGION = 'eu-west-1';
const ARN = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:s';
const reading = { name: 'MessagesCompleted', values: new Map([[1, 1]]) } as never;
const never = new AbortController().signal;

/** One request of each client that leads to AWS. */
const REQUESTS: readonly [string, (endpoint: string) => Promise<unknown>][] = [
  ['Secrets Manager', () => withSecrets({ ES_MIGRATE_SECRET_ARN: ARN })],
  ['SNS', () => publish('arn:aws:sns:eu-west-1:123456789012:t', 'subject', 'text')],
  ['CloudWatch', () => new CloudWatchMetrics('n', { region: REGION }).put([reading], new Date())],
  [
    'CloudWatch Logs',
    () => new CloudWatchLogs('/g', 's', { region: REGION }).put([{ at: 1, text: 'line' }]),
  ],
  [
    'SQS',
    (endpoint) =>
      openSqs(
        { url: `${endpoint}/123456789012/q`, region: REGION },
        { retryForMs: 0, report: () => undefined },
      ).state(never),
  ],
];

async function server(options: ProxyOptions) {
  const started = await proxyTo(sandbox().s3.endpoint, {
    answer: () => ({ status: 400, body: '{}' }),
    ...options,
  });
  vi.stubEnv('AWS_REGION', REGION);
  return started;
}

describe('no request leaves this machine unencrypted:', () => {
  test.each(REQUESTS)('%s', async (service, request) => {
    const { endpoint, requests } = await server({});
    const elsewhere = endpoint.replace('127.0.0.1', '0.0.0.0');
    vi.stubEnv('AWS_ENDPOINT_URL', elsewhere);
    expect((await rejection(request(elsewhere))) as Error).toMatchObject({
      message: expect.stringContaining(
        `the address of ${service} is http:// and leads to another machine, 0.0.0.0`,
      ) as string,
    });
    expect(requests).toEqual([]);
  });
});

describe('NODE_TLS_REJECT_UNAUTHORIZED=0 does not switch the check off:', () => {
  test.each(REQUESTS)('%s', async (_, request) => {
    const { cert, key } = await freshCertificate();
    const { endpoint, requests } = await server({ tls: { cert, key } });
    vi.stubEnv('AWS_ENDPOINT_URL', endpoint);
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const error = (await rejection(request(endpoint))) as Error;
    expect(error.message).toMatch(/unable to verify|self[- ]signed|certificate/i);
    expect(requests).toEqual([]);
  });
});

test('what answers for AWS with a redirect sends nobody elsewhere', async () => {
  const second = await server({});
  for (const [, request] of REQUESTS) {
    const { endpoint } = await server({
      answer: () => ({ status: 307, headers: { location: second.endpoint } }),
    });
    vi.stubEnv('AWS_ENDPOINT_URL', endpoint);
    const error = (await rejection(request(endpoint))) as Error;
    expect(error.message).toContain(`a redirect to ${second.endpoint}, and none are followed`);
  }
  expect(second.requests).toEqual([]);
});

test('the URL of a dead-letter queue, which an answer names, leads nowhere else', async () => {
  const second = await server({});
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: 'arn:aws:sqs:eu-west-1:123456789012:dead',
    maxReceiveCount: 5,
  });
  const first = await server({
    answer: ({ headers }) => {
      const isForUrl = headers['x-amz-target'] === 'AmazonSQS.GetQueueUrl';
      const answer = isForUrl
        ? { QueueUrl: `${second.endpoint}/123456789012/dead` }
        : { Attributes: { RedrivePolicy } };
      const type = { 'content-type': 'application/x-amz-json-1.0' };
      return { status: 200, headers: type, body: JSON.stringify(answer) };
    },
  });
  const queue = openSqs(
    { url: `${first.endpoint}/123456789012/q`, region: REGION },
    { retryForMs: 0, report: () => undefined },
  );
  onTestFinished(() => queue.close());
  const delivery = { messageId: 'm', body: 'b', receipt: 'r', receives: 1 };
  // What it answers to the message itself is no answer of SQS.
  await rejection(queue.bury(delivery, 'because'));
  expect(first.requests.map(({ headers }) => headers['x-amz-target'])).toContain(
    'AmazonSQS.SendMessage',
  );
  expect(second.requests).toEqual([]);
});
