/** One error in a template: what stands there, what is to stand there, and the rule that has to find it. */
export interface Planted {
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly rule: string;
}

/**
 * Errors that only a deployment would show otherwise, each of another kind or in another place. Not among them is what the
 * linter was seen to let pass, such as a transition of the life cycle that does not exist: configured.test.ts looks at that.
 */
export const PLANTED: Readonly<Record<'lambda' | 'ec2-autoscaling', readonly Planted[]>> = {
  lambda: [
    {
      what: 'a property of a function that does not exist',
      from: '      MemorySize: !Ref ProcessMemory\n',
      to: '      MemorySizes: !Ref ProcessMemory\n',
      rule: 'E3002',
    },
    {
      what: 'a property of the event source that does not exist',
      from: 'BatchSize: !Ref BatchesPerInvocation',
      to: 'BatchSizes: !Ref BatchesPerInvocation',
      rule: 'SAM',
    },
    {
      what: 'a Ref to nothing',
      from: 'ES_MIGRATE_QUEUE_URL: !Ref BatchQueue',
      to: 'ES_MIGRATE_QUEUE_URL: !Ref BatchesQueue',
      rule: 'E1020',
    },
    {
      what: 'a GetAtt of an attribute that a queue does not have',
      from: 'deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn',
      to: 'deadLetterTargetArn: !GetAtt DeadLetterQueue.QueueArn',
      rule: 'E1010',
    },
    {
      what: 'a GetAtt of a missing attribute in the event source',
      from: 'Queue: !GetAtt BatchQueue.Arn',
      to: 'Queue: !GetAtt BatchQueue.QueueArn',
      rule: 'E1010',
    },
    {
      what: 'a Sub of nothing',
      from: 'FunctionName: !Sub ${AWS::StackName}-extract',
      to: 'FunctionName: !Sub ${Stack}-extract',
      rule: 'E1019',
    },
    {
      what: 'a required property that is missing',
      from: '      GroupDescription: es-migrate functions, nothing comes in\n',
      to: '',
      rule: 'E3003',
    },
    {
      what: 'text where a number has to be',
      from: 'MessageRetentionPeriod: 1209600\n      ReceiveMessageWaitTimeSeconds',
      to: 'MessageRetentionPeriod: 14 days\n      ReceiveMessageWaitTimeSeconds',
      rule: 'E3012',
    },
    {
      what: 'a number beyond what a queue may keep',
      from: 'MessageRetentionPeriod: 1209600\n      ReceiveMessageWaitTimeSeconds',
      to: 'MessageRetentionPeriod: 1309600\n      ReceiveMessageWaitTimeSeconds',
      rule: 'E3034',
    },
    {
      what: 'a timeout longer than Lambda allows',
      from: 'Timeout: 300',
      to: 'Timeout: 6000',
      rule: 'E3034',
    },
    {
      what: 'a concurrency below the least of an event source',
      from: 'MaximumConcurrency: !Ref MaximumConcurrency',
      to: 'MaximumConcurrency: 1',
      rule: 'E3034',
    },
    {
      what: 'a value that is not one of those there are',
      from: 'Architectures: [arm64]',
      to: 'Architectures: [arm46]',
      rule: 'E3030',
    },
    {
      what: 'a runtime that does not exist',
      from: 'Runtime: nodejs22.x',
      to: 'Runtime: nodejs23.x',
      rule: 'E3030',
    },
    {
      what: 'an answer of the event source that does not exist',
      from: 'FunctionResponseTypes: [ReportBatchItemFailures]',
      to: 'FunctionResponseTypes: [ReportItemFailures]',
      rule: 'E3030',
    },
    {
      what: 'an unknown kind of resource',
      from: 'Type: AWS::SNS::Subscription',
      to: 'Type: AWS::SNS::Subscribtion',
      rule: 'E3006',
    },
    {
      what: 'a circle of dependencies',
      from: '          - !Sub arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-batches\n',
      to: '          - !GetAtt BatchQueue.Arn\n',
      rule: 'E3004',
    },
    {
      what: 'a condition that does not exist',
      from: 'Condition: HasTrackingGroup\n',
      to: 'Condition: HasTracking\n',
      rule: 'E3015',
    },
    {
      what: 'a condition that nothing depends on',
      from: '  IsCarrying: ',
      to: '  IsIdle: !Equals [!Ref TargetLayout, idle]\n  IsCarrying: ',
      rule: 'W8001',
    },
    {
      what: 'a parameter that nothing reads',
      from: 'MemorySize: !Ref RetryMemory',
      to: 'MemorySize: 512',
      rule: 'W2001',
    },
    {
      what: 'an action that does not exist',
      from: '- sqs:ChangeMessageVisibility\n',
      to: '- sqs:ExtendMessageVisibility\n',
      rule: 'W3037',
    },
    {
      what: 'a bucket that is only there sometimes, asked for always',
      from: '- Bucket: !If [CreatesBucket, !Ref Bucket, !Ref ExistingBucketName]\n        ES_MIGRATE_TARGET_LAYOUT',
      to: '- Bucket: !Ref Bucket\n        ES_MIGRATE_TARGET_LAYOUT',
      rule: 'W1001',
    },
  ],
  'ec2-autoscaling': [
    {
      what: 'a property that does not exist',
      from: 'HttpTokens: required',
      to: 'HttpToken: required',
      rule: 'E3002',
    },
    {
      what: 'a value that is not one of those there are',
      from: 'HttpTokens: required',
      to: 'HttpTokens: always',
      rule: 'E3030',
    },
    {
      what: 'a Ref to nothing',
      from: 'TargetGroupARNs: [!Ref ReadyWorkers]',
      to: 'TargetGroupARNs: [!Ref HealthyWorkers]',
      rule: 'E1020',
    },
    {
      what: 'a GetAtt of a missing attribute',
      from: '!GetAtt WorkerTemplate.LatestVersionNumber',
      to: '!GetAtt WorkerTemplate.LatestVersion',
      rule: 'E1010',
    },
    {
      what: 'a Sub of nothing in the user data',
      from: 'LIFECYCLE_HOOK=drain',
      to: 'LIFECYCLE_HOOK=${LifecycleHook}',
      rule: 'E1021',
    },
    {
      what: 'a required property that is missing',
      from: '      MaxSize: !Ref MaxWorkers\n',
      to: '',
      rule: 'E3003',
    },
    {
      what: 'text where a number has to be',
      from: 'UnhealthyThresholdCount: 10',
      to: 'UnhealthyThresholdCount: ten',
      rule: 'E3012',
    },
    {
      what: 'a number beyond the largest',
      from: 'UnhealthyThresholdCount: 10',
      to: 'UnhealthyThresholdCount: 100',
      rule: 'E3034',
    },
    {
      what: 'a circle of dependencies',
      from: 'AUTO_SCALING_GROUP=${AWS::StackName}',
      to: 'AUTO_SCALING_GROUP=${Workers}',
      rule: 'E3004',
    },
    {
      what: 'a default that its own pattern refuses',
      from: 'Default: c7g.large\n',
      to: 'Default: c7i.large\n',
      rule: 'E2015',
    },
    {
      what: 'an action that does not exist',
      from: 'autoscaling:CompleteLifecycleAction',
      to: 'autoscaling:CompleteLifecycle',
      rule: 'W3037',
    },
    {
      what: 'an attribute of the life cycle hook that does not exist',
      from: 'HeartbeatTimeout: 300',
      to: 'HeartBeatTimeout: 300',
      rule: 'E3002',
    },
    {
      what: 'a key of a metric that does not exist',
      from: '                Stat: Average\n',
      to: '                Statistic: Average\n',
      rule: 'E3002',
    },
    {
      what: 'an update policy that does not exist',
      from: '      AutoScalingRollingUpdate:\n',
      to: '      AutoScalingRollingUpdates:\n',
      rule: 'E3016',
    },
  ],
};
