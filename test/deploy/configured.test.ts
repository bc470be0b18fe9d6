import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { variables } from '../../src/config/environment.js';
import { SECRET_VARIABLE } from '../../src/config/secrets-manager.js';
import { METRICS } from '../../src/monitor/metrics.js';
import { textOf } from './files.js';
import { grantsOf, listOf, rolesOf, type Grant } from './iam.js';
import { bodyOf, metricsRead, OWN } from './measured.js';
import {
  objectsIn,
  resourcesOf,
  templateOf as readTemplate,
  type Json,
  type JsonObject,
  type Template,
} from './templates.js';

const NAMES = ['lambda', 'ec2-autoscaling'] as const;
type Name = (typeof NAMES)[number];

const texts = new Map<Name, string>();
const templates = new Map<Name, Template>();
const templateOf = (name: Name) => templates.get(name) as Template;

beforeAll(async () => {
  for (const name of NAMES) texts.set(name, await textOf(`${name}/template.yaml`));
  for (const name of NAMES) templates.set(name, await readTemplate(name));
}, 600_000);

const propertiesOf = (name: Name, resource: string): JsonObject =>
  templateOf(name).Resources[resource]?.Properties ?? {};

/** Services that have metrics of their own. */
const SERVICES: Readonly<Record<string, readonly string[]>> = {
  'AWS/SQS': [
    'ApproximateNumberOfMessagesVisible',
    'ApproximateNumberOfMessagesNotVisible',
    'ApproximateNumberOfMessagesDelayed',
    'ApproximateAgeOfOldestMessage',
  ],
  'AWS/Lambda': ['Errors', 'Throttles', 'Duration', 'ConcurrentExecutions'],
  'AWS/AutoScaling': ['GroupDesiredCapacity', 'GroupInServiceInstances'],
  'AWS/NetworkELB': ['HealthyHostCount', 'UnHealthyHostCount'],
};

/** Actions that know no resources, and what they may be needed for. */
const WITHOUT_RESOURCES = [
  // Lambda places a function into the VPC.
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
  // Session Manager.
  'ssm:UpdateInstanceInformation',
  'ssmmessages:CreateControlChannel',
  'ssmmessages:CreateDataChannel',
  'ssmmessages:OpenControlChannel',
  'ssmmessages:OpenDataChannel',
];

describe.each(NAMES)('the template %s', (name) => {
  test('reads only metrics that somebody writes', () => {
    const read = metricsRead(templateOf(name));
    expect(read.length).toBeGreaterThan(20);
    for (const { namespace, name: metric } of read)
      expect(namespace === OWN ? Object.keys(METRICS) : SERVICES[namespace]).toContain(metric);
  });

  test('sets only variables that the configuration knows', () => {
    const set = texts.get(name)?.match(/\bES_MIGRATE_[A-Z_]+(?==|:)/g) ?? [];
    expect(set.length).toBeGreaterThan(5);
    const known = [...variables, SECRET_VARIABLE];
    expect(set.filter((variable) => !known.includes(variable))).toEqual([]);
  });

  test('holds no secret, and asks for none', () => {
    const asked = Object.keys(templateOf(name).Parameters);
    expect(asked.filter((one) => /password|key$|token/i.test(one))).toEqual(
      name === 'lambda' ? [] : ['PackageKey'],
    );
    expect(texts.get(name)).not.toMatch(/ES_MIGRATE_\w*(PASSWORD|API_KEY)/);
  });

  test('allows no action by a wildcard, and no resource but for those that know none', () => {
    const template = templateOf(name);
    for (const role of rolesOf(template)) {
      const grants = grantsOf(template, role);
      expect(grants.length).toBeGreaterThan(5);
      expect(grants.filter(({ action }) => action.includes('*'))).toEqual([]);
      const everywhere = grants.filter(({ resource }) => resource === '*');
      const unlimited = everywhere.filter(({ condition }) => condition === undefined);
      for (const { action } of unlimited) expect(WITHOUT_RESOURCES).toContain(action);
      const limited = everywhere.filter(({ condition }) => condition !== undefined);
      expect(limited).toEqual(
        name === 'lambda'
          ? []
          : [
              {
                action: 'cloudwatch:PutMetricData',
                resource: '*',
                condition: { StringEquals: { 'cloudwatch:namespace': { Ref: 'AWS::StackName' } } },
              },
            ],
      );
    }
  });

  test('tells the topic of each alarm, and says what no data means', () => {
    const alarms = resourcesOf(templateOf(name), 'AWS::CloudWatch::Alarm');
    expect(alarms.length).toBeGreaterThan(4);
    for (const [, alarm] of alarms) {
      expect(alarm['AlarmActions']).toEqual([{ Ref: 'AlarmTopic' }]);
      expect(alarm['TreatMissingData']).toMatch(/^(notBreaching|breaching)$/);
      expect(alarm['AlarmDescription']).toMatch(/\w{3}/);
    }
  });

  test('returns the result of an expression, and all that it is made of', () => {
    const queries = [...objectsIn(templateOf(name).Resources as Json)].flatMap(({ Metrics }) => {
      const all = listOf(Metrics).filter((one) => typeof one === 'object') as JsonObject[];
      return all.length > 0 ? [all] : [];
    });
    expect(queries.length).toBeGreaterThan(0);
    for (const metrics of queries) {
      const [result, ...others] = metrics.filter(({ ReturnData }) => ReturnData === true);
      expect(others).toEqual([]);
      const names = (result?.['Expression'] as string).match(/\b[a-z]\w*/g);
      const given = metrics.filter(({ MetricStat }) => MetricStat).map(({ Id }) => Id);
      expect([...new Set(names)].sort()).toEqual([...given].sort());
    }
  });

  test('shows a dashboard whose panels do not overlap', () => {
    const [[, { DashboardBody }] = ['', {} as JsonObject]] = resourcesOf(
      templateOf(name),
      'AWS::CloudWatch::Dashboard',
    );
    const { widgets } = bodyOf(DashboardBody) as unknown as { widgets: Panel[] };
    expect(widgets.length).toBeGreaterThan(5);
    const cells = widgets.flatMap(({ x, y, width }) =>
      Array.from({ length: width }, (_, at) => `${x + at},${y}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(widgets.every(({ x, width }) => x + width <= 24)).toBe(true);
  });

  test('keeps what it writes to from the outside', () => {
    const rules = [...objectsIn(templateOf(name).Resources)];
    const open = rules.filter(({ CidrIp }) => CidrIp === '0.0.0.0/0');
    expect(open.map(({ ToPort }) => ToPort)).toEqual(open.map(() => 443));
    const groups = resourcesOf(templateOf(name), 'AWS::EC2::SecurityGroup');
    const inwards = groups.flatMap(([, group]) => [...objectsIn(group['SecurityGroupIngress'])]);
    expect(inwards.filter(({ CidrIp }) => CidrIp === '0.0.0.0/0')).toEqual([]);
  });
});

interface Panel {
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

const actionsOn = (grants: readonly Grant[], service: string) =>
  [...new Set(grants.map(({ action }) => action))]
    .filter((action) => action.startsWith(`${service}:`))
    .sort();

describe('the Lambda functions', () => {
  const FUNCTIONS = ['extract', 'process', 'retry'] as const;
  const functionOf = (one: string) =>
    propertiesOf('lambda', `${one[0]?.toUpperCase() ?? ''}${one.slice(1)}Function`);
  const allowed = (one: string) => {
    const role = functionOf(one)['Role'] as { readonly 'Fn::GetAtt': readonly [string, string] };
    return grantsOf(templateOf('lambda'), role['Fn::GetAtt'][0]);
  };

  test.each(FUNCTIONS)('%s has a handler that is exported', async (one) => {
    const [module, handler] = (functionOf(one)['Handler'] as string).split('.');
    const exported = (await import(`../../src/lambda/${module ?? ''}.ts`)) as Record<
      string,
      unknown
    >;
    expect(exported[handler ?? '']).toBeTypeOf('function');
  });

  test.each(FUNCTIONS)('%s may do what it calls, and nothing else', (one) => {
    const grants = allowed(one);
    const inBatches = ['sqs:GetQueueAttributes', 'sqs:SendMessage'];
    const beside = [
      'sqs:ChangeMessageVisibility',
      'sqs:DeleteMessage',
      'sqs:GetQueueUrl',
      'sqs:ReceiveMessage',
    ];
    const objects = [
      'AbortMultipartUpload',
      'DeleteObject',
      'GetObject',
      'ListBucket',
      'PutObject',
    ];
    const isProcess = one === 'process';
    expect(actionsOn(grants, 'sqs')).toEqual([...inBatches, ...(isProcess ? beside : [])].sort());
    expect(actionsOn(grants, 's3')).toEqual(isProcess ? objects.map((of) => `s3:${of}`) : []);
    expect(actionsOn(grants, 'secretsmanager')).toEqual(['secretsmanager:GetSecretValue']);
    expect(actionsOn(grants, 'logs')).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents']);
    const services = new Set(grants.map(({ action }) => action.split(':')[0]));
    expect([...services].sort()).toEqual(
      ['ec2', 'kms', 'logs', 'secretsmanager', 'sqs', ...(isProcess ? ['s3'] : [])].sort(),
    );
  });

  test('process may do all that the code names when it is denied', async () => {
    const code = await readFile(new URL('../../src/core/queue/sqs.ts', import.meta.url), 'utf8');
    const called = new Set(code.match(/(?<=')sqs:\w+(?=')/g));
    expect(called.size).toBeGreaterThan(5);
    expect(actionsOn(allowed('process'), 'sqs')).toEqual([...called].sort());
  });

  test('only layout batch may delete objects', () => {
    const target = listOf(propertiesOf('lambda', 'ProcessRole')['Policies']) as JsonObject[];
    const conditional = [...objectsIn(target)].flatMap((one) => {
      const [condition, granted] = listOf(one['Fn::If']);
      return (granted as JsonObject | undefined)?.['Action'] === 's3:DeleteObject'
        ? [condition]
        : [];
    });
    expect(conditional).toEqual(['IsLayoutBatch']);
  });

  test('a message stays invisible for six times as long as its function may take', () => {
    const { VisibilityTimeout, RedrivePolicy } = propertiesOf('lambda', 'BatchQueue');
    const { Timeout } = functionOf('process');
    expect(Number(VisibilityTimeout)).toBeGreaterThanOrEqual(6 * Number(Timeout));
    expect(RedrivePolicy).toMatchObject({ maxReceiveCount: 5 });
  });

  test('the event source is throttled by its maximum concurrency, and no function by a reserved one', () => {
    const [[, source] = ['', {} as JsonObject]] = resourcesOf(
      templateOf('lambda'),
      'AWS::Lambda::EventSourceMapping',
    );
    expect(source).toMatchObject({
      ScalingConfig: { MaximumConcurrency: { Ref: 'MaximumConcurrency' } },
      FunctionResponseTypes: ['ReportBatchItemFailures'],
    });
    expect(templateOf('lambda').Parameters['MaximumConcurrency']).toMatchObject({
      Default: 8,
      MinValue: 2,
    });
    for (const [, one] of resourcesOf(templateOf('lambda'), 'AWS::Lambda::Function')) {
      expect(one).not.toHaveProperty('ReservedConcurrentExecutions');
      expect(one).toMatchObject({ Runtime: 'nodejs22.x', Architectures: ['arm64'] });
    }
  });

  test('each writes to a log group that ends', () => {
    const groups = resourcesOf(templateOf('lambda'), 'AWS::Logs::LogGroup');
    expect(groups.map(([name]) => name)).toEqual(['ExtractLog', 'ProcessLog', 'RetryLog']);
    for (const [, group] of groups)
      expect(group['RetentionInDays']).toEqual({ Ref: 'LogRetentionDays' });
    expect(FUNCTIONS.map((one) => functionOf(one)['LoggingConfig'])).toEqual(
      groups.map(([Ref]) => ({ LogGroup: { Ref } })),
    );
  });

  test('the dead-letter queue takes messages of this queue alone, and both are encrypted', () => {
    for (const queue of ['BatchQueue', 'DeadLetterQueue'])
      expect(propertiesOf('lambda', queue)).toMatchObject({
        SqsManagedSseEnabled: true,
        MessageRetentionPeriod: 14 * 86_400,
      });
    const { QueueName } = propertiesOf('lambda', 'BatchQueue') as {
      readonly QueueName: { readonly 'Fn::Sub': string };
    };
    expect(propertiesOf('lambda', 'DeadLetterQueue')['RedriveAllowPolicy']).toEqual({
      redrivePermission: 'byQueue',
      sourceQueueArns: [
        {
          'Fn::Sub': `arn:\${AWS::Partition}:sqs:\${AWS::Region}:\${AWS::AccountId}:${QueueName['Fn::Sub']}`,
        },
      ],
    });
  });

  test('the bucket stays when the stack goes, closed and encrypted', () => {
    const { Bucket, BucketPolicy } = templateOf('lambda').Resources;
    expect(Bucket).toMatchObject({
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        PublicAccessBlockConfiguration: {
          BlockPublicAcls: true,
          BlockPublicPolicy: true,
          IgnorePublicAcls: true,
          RestrictPublicBuckets: true,
        },
        OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
      },
    });
    expect(Bucket?.Properties).not.toHaveProperty('VersioningConfiguration');
    expect(BucketPolicy).toMatchObject({ DeletionPolicy: 'Retain' });
    expect(BucketPolicy?.Properties['PolicyDocument']).toMatchObject({
      Statement: [{ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }],
    });
  });
});

describe('the workers', () => {
  const launched = () =>
    propertiesOf('ec2-autoscaling', 'WorkerTemplate')['LaunchTemplateData'] as JsonObject;

  test('have no public address, an encrypted disk, and metadata by IMDSv2 alone', () => {
    expect(launched()).toMatchObject({
      MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
      NetworkInterfaces: [{ AssociatePublicIpAddress: false }],
      BlockDeviceMappings: [{ Ebs: { Encrypted: true } }],
    });
    expect(launched()).not.toHaveProperty('KeyName');
  });

  test('are asked for their health at the port they tell it on', () => {
    const [, port] =
      /--health-port 0\.0\.0\.0:(\d+)/.exec(texts.get('ec2-autoscaling') ?? '') ?? [];
    expect(propertiesOf('ec2-autoscaling', 'ReadyWorkers')).toMatchObject({
      Port: Number(port),
      HealthCheckProtocol: 'HTTP',
      HealthCheckPath: '/ready',
    });
    expect(propertiesOf('ec2-autoscaling', 'WorkerSecurityGroup')['SecurityGroupIngress']).toEqual([
      {
        Description: 'Health checks',
        IpProtocol: 'tcp',
        FromPort: Number(port),
        ToPort: Number(port),
        SourceSecurityGroupId: { Ref: 'HealthSecurityGroup' },
      },
    ]);
  });

  test('wait to be terminated under the name that they complete', () => {
    const text = texts.get('ec2-autoscaling') ?? '';
    const [, hook] = /^\s*LIFECYCLE_HOOK=(.+)$/m.exec(text) ?? [];
    const [, group] = /^\s*AUTO_SCALING_GROUP=\$\{(.+)\}$/m.exec(text) ?? [];
    expect(propertiesOf('ec2-autoscaling', 'Workers')).toMatchObject({
      AutoScalingGroupName: { Ref: group },
      LifecycleHookSpecificationList: [
        {
          LifecycleHookName: hook,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          DefaultResult: 'CONTINUE',
        },
      ],
    });
  });

  test('may do what they call, and nothing else', () => {
    const grants = grantsOf(templateOf('ec2-autoscaling'), 'WorkerRole');
    const actions = [...new Set(grants.map(({ action }) => action))].sort();
    expect(actions.filter((action) => !/^(ssm|ssmmessages|kms):/.test(action))).toEqual([
      'autoscaling:CompleteLifecycleAction',
      'cloudwatch:PutMetricData',
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      's3:AbortMultipartUpload',
      's3:DeleteObject',
      's3:GetObject',
      's3:ListBucket',
      's3:ListBucketMultipartUploads',
      's3:PutObject',
      'secretsmanager:GetSecretValue',
      'sns:Publish',
    ]);
  });

  test('are as many as the backlog asks for, which is divided among them', () => {
    const { TargetTrackingConfiguration } = propertiesOf('ec2-autoscaling', 'BacklogPolicy');
    const metrics = [...objectsIn(TargetTrackingConfiguration)].filter(
      ({ MetricStat }) => MetricStat,
    );
    expect(metrics).toMatchObject([
      { MetricStat: { Metric: { MetricName: 'Backlog' }, Stat: 'Maximum' } },
      { MetricStat: { Metric: { MetricName: 'GroupInServiceInstances' } } },
    ]);
    expect(propertiesOf('ec2-autoscaling', 'Workers')['MetricsCollection']).toMatchObject([
      {
        Granularity: '1Minute',
        Metrics: expect.arrayContaining(['GroupInServiceInstances']) as Json,
      },
    ]);
  });
});
