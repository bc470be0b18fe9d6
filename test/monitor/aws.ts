import { randomBytes } from 'node:crypto';
import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DescribeLogStreamsCommand,
  GetLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import { sandbox } from '../support/sandbox.js';

/** What leads the SDK's clients of a process to the sandbox's AWS. */
export function awsEnvironment(): Record<string, string> {
  const { endpoint, region } = sandbox().aws;
  const services = ['CLOUDWATCH', 'CLOUDWATCH_LOGS', 'SNS', 'SECRETS_MANAGER'];
  return {
    AWS_REGION: region,
    ...Object.fromEntries(services.map((name) => [`AWS_ENDPOINT_URL_${name}`, endpoint])),
  };
}

const fresh = (): string => `test-${randomBytes(6).toString('hex')}`;

function options() {
  const { endpoint, region, accessKeyId, secretAccessKey } = sandbox().aws;
  return { endpoint, region, credentials: { accessKeyId, secretAccessKey } };
}

function client<T extends { destroy(): void }>(opened: T): T {
  onTestFinished(() => opened.destroy());
  return opened;
}

export interface FreshTopic {
  readonly arn: string;
  /** What was published and not yet read, as its subscriber got it. */
  published(): Promise<{ readonly Subject: string; readonly Message: string }[]>;
}

/** A topic of this test's own, with a queue that listens to it. */
export async function freshTopic(): Promise<FreshTopic> {
  const sns = client(new SNSClient(options()));
  const sqs = client(new SQSClient(options()));
  const name = fresh();
  const { TopicArn = '' } = await sns.send(new CreateTopicCommand({ Name: name }));
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  const { region, accountId } = sandbox().aws;
  const Endpoint = `arn:aws:sqs:${region}:${accountId}:${name}`;
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
  return {
    arn: TopicArn,
    published: async () => {
      const request = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 });
      const { Messages = [] } = await sqs.send(request);
      return Messages.map(
        ({ Body = '' }) => JSON.parse(Body) as { Subject: string; Message: string },
      );
    },
  };
}

export interface FreshLogGroup {
  readonly name: string;
  /** Every line there, parsed. */
  lines(): Promise<{ readonly level: number; readonly msg: string }[]>;
  streams(): Promise<string[]>;
}

export async function freshLogGroup(): Promise<FreshLogGroup> {
  const logs = client(new CloudWatchLogsClient(options()));
  const name = `/${fresh()}`;
  await logs.send(new CreateLogGroupCommand({ logGroupName: name }));
  const streams = async () => {
    const { logStreams = [] } = await logs.send(
      new DescribeLogStreamsCommand({ logGroupName: name }),
    );
    return logStreams.map(({ logStreamName = '' }) => logStreamName);
  };
  return {
    name,
    streams,
    lines: async () => {
      const answers = (await streams()).map((logStreamName) =>
        logs.send(
          new GetLogEventsCommand({ logGroupName: name, logStreamName, startFromHead: true }),
        ),
      );
      const events = (await Promise.all(answers)).flatMap(({ events: found = [] }) => found);
      return events.map(
        ({ message = '' }) => JSON.parse(message) as { level: number; msg: string },
      );
    },
  };
}

export interface FreshNamespace {
  readonly name: string;
  /** All values of the last hour together; undefined where there are none. */
  statistics(
    metric: string,
  ): Promise<
    { readonly Sum?: number | undefined; readonly SampleCount?: number | undefined } | undefined
  >;
}

export function freshNamespace(): FreshNamespace {
  const cloudWatch = client(new CloudWatchClient(options()));
  const name = fresh();
  return {
    name,
    statistics: async (metric) => {
      const { Datapoints: [all] = [] } = await cloudWatch.send(
        new GetMetricStatisticsCommand({
          Namespace: name,
          MetricName: metric,
          StartTime: new Date(Date.now() - 3_600_000),
          EndTime: new Date(Date.now() + 3_600_000),
          Period: 7_200,
          Statistics: ['Sum', 'SampleCount'],
        }),
      );
      return all;
    },
  };
}

/** Stores a secret; its ARN. */
export async function freshSecret(SecretString: string): Promise<string> {
  const secrets = client(new SecretsManagerClient(options()));
  const { ARN = '' } = await secrets.send(new CreateSecretCommand({ Name: fresh(), SecretString }));
  return ARN;
}
