import { CreateLogGroupCommand, CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateTopicCommand, SNSClient } from '@aws-sdk/client-sns';
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { addMessages, createIndex } from '../extract/messages.js';
import { runBinary } from '../support/binary.js';
import { makeProject } from '../support/project.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { textOf } from './files.js';
import { guardedAws, type GuardedAws } from './guarded-aws.js';

interface Statement {
  readonly Sid: string;
  readonly Action: string | readonly string[];
  readonly Resource: string;
}

interface Policy {
  readonly Statement: readonly Statement[];
}

/** What moto calls an action that IAM calls otherwise: it goes by the name of the operation and of the service that signs. */
const NAMES_OF_MOTO: Readonly<Record<string, string>> = {
  'sqs:SendMessage': 'sqs:SendMessageBatch',
  'cloudwatch:PutMetricData': 'monitoring:PutMetricData',
};

const listOf = (action: string | readonly string[]): readonly string[] => [action].flat();

/**
 * The policy as it stands in deploy/. moto compares resources for S3 alone, and knows no conditions on what is sent: for the
 * other services it is their actions that are tried.
 */
async function policy({ region, accountId }: GuardedAws['at']): Promise<Policy> {
  const text = await textOf('iam-policy.json', {
    BUCKET: 'bucket',
    PREFIX: 'some/prefix',
    ACCOUNT: accountId,
    REGION: region,
  });
  const { Statement, ...rest } = JSON.parse(text) as Policy;
  return {
    ...rest,
    Statement: Statement.map(({ Resource, ...statement }) => {
      const isS3 = Resource.startsWith('arn:aws:s3:');
      return {
        Sid: statement.Sid,
        Effect: 'Allow',
        Action: statement.Action,
        Resource: isS3 ? Resource : '*',
      };
    }),
  };
}

/** Everything that a migration needs there, and its configuration. */
async function world(aws: GuardedAws) {
  const { endpoint, region, accessKeyId, secretAccessKey, accountId } = aws.at;
  const options = { endpoint, region, credentials: { accessKeyId, secretAccessKey } };
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'bucket' }));
  const sqs = new SQSClient(options);
  await sqs.send(new CreateQueueCommand({ QueueName: 'dead' }));
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:${region}:${accountId}:dead`,
    maxReceiveCount: 5,
  });
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({ QueueName: 'queue', Attributes: { RedrivePolicy } }),
  );
  const sns = new SNSClient(options);
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'topic' }));
  const logs = new CloudWatchLogsClient(options);
  await logs.send(new CreateLogGroupCommand({ logGroupName: '/group' }));
  const indices = freshIndexPrefix();
  await createIndex(`${indices}messages`);
  const at = (i: number) => Date.UTC(2024, 9, 1, 0, i);
  await addMessages(
    `${indices}messages`,
    Array.from({ length: 40 }, (_, i) => ({ id: `m/${i}`, at: at(i) })),
  );
  const project = await makeProject({
    indices,
    settings: {
      batchSize: 10,
      source: { related: {} },
      target: { url: 's3://bucket/some/prefix', endpoint, region, forcePathStyle: true },
      queue: { url: QueueUrl, region },
      monitor: { metricsNamespace: 'test', logGroup: '/group', alertTopic: TopicArn },
    },
  });
  const secrets = new SecretsManagerClient(options);
  const { ES_MIGRATE_TRACKING_PASSWORD } = project.env;
  const { ARN = '' } = await secrets.send(
    new CreateSecretCommand({
      Name: 'secret',
      SecretString: JSON.stringify({ ES_MIGRATE_TRACKING_PASSWORD }),
    }),
  );
  for (const client of [s3, sqs, sns, logs, secrets]) client.destroy();
  const services = ['CLOUDWATCH', 'CLOUDWATCH_LOGS', 'SNS', 'SECRETS_MANAGER'];
  const env = {
    AWS_REGION: region,
    ES_MIGRATE_SECRET_ARN: ARN,
    ...Object.fromEntries(services.map((name) => [`AWS_ENDPOINT_URL_${name}`, endpoint])),
  };
  return { project, env };
}

const EXTRACT = ['extract', '--from', '2024-10-01', '--to', '2024-10-01'];
const PROCESS = ['process', '--queue'];
const VERIFY = ['verify', '--level', 'content', '--repair'];

const asMoto = (actions: readonly string[]): string[] =>
  actions.flatMap((action) => [action, NAMES_OF_MOTO[action] ?? []].flat());

test('the whole job runs with exactly these, and without one of them says which', async () => {
  const aws = await guardedAws();
  const { project, env } = await world(aws);
  const { Statement, ...rest } = await policy(aws.at);
  const userWithout = (lacking?: string) =>
    aws.user(
      JSON.stringify({
        ...rest,
        Statement: Statement.map(({ Action, ...statement }) => ({
          ...statement,
          Action: asMoto(listOf(Action).filter((action) => action !== lacking)),
        })).filter(({ Action }) => Action.length > 0),
      }),
    );
  const whole = await userWithout();
  const lacking = new Map<string, Record<string, string>>();
  for (const action of Statement.flatMap(({ Action }) => listOf(Action)))
    lacking.set(action, await userWithout(action));
  await aws.guard();
  const run = (args: readonly string[], user: Record<string, string>) =>
    runBinary(args, { cwd: project.cwd, env: { ...env, ...user } });
  /** Told in its error or its log, by the name IAM has for it. */
  const lacks = async (action: string, args: readonly string[], expectedCode: number) => {
    const { code, stderr } = await run(args, lacking.get(action) ?? {});
    expect(stderr).toMatch(new RegExp(`(denied|Grant) .*${action}`));
    expect(code, stderr).toBe(expectedCode);
    return stderr;
  };

  await lacks('secretsmanager:GetSecretValue', EXTRACT, 2);
  await lacks('sqs:GetQueueAttributes', EXTRACT, 2);
  expect(await lacks('sqs:SendMessage', EXTRACT, 2)).toMatch(
    /what was extracted is in the tracking database/,
  );
  await lacks('sqs:GetQueueUrl', PROCESS, 2);
  await lacks('cloudwatch:PutMetricData', EXTRACT, 0);
  await lacks('logs:PutLogEvents', EXTRACT, 0);
  await lacks('s3:GetObject', PROCESS, 2);
  await lacks('s3:PutObject', PROCESS, 2);
  await lacks('sqs:ReceiveMessage', PROCESS, 2);
  expect((await run(EXTRACT, whole)).code).toBe(0);
  await lacks('sqs:DeleteMessage', [...PROCESS, '--max-batches', '1'], 2);
  for (const args of [EXTRACT, PROCESS, ['retry'], VERIFY]) {
    const ended = await run(args, whole);
    expect(ended.code, `${args.join(' ')}: ${ended.stderr}`).toBe(0);
    expect(ended.stderr).not.toMatch(/denied|not sent/i);
  }
  await lacks('s3:ListBucket', VERIFY, 2);
}, 400_000);
