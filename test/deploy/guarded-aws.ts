import { randomBytes } from 'node:crypto';
import {
  AttachUserPolicyCommand,
  CreateAccessKeyCommand,
  CreatePolicyCommand,
  CreateUserCommand,
  IAMClient,
} from '@aws-sdk/client-iam';
import { onTestFinished } from 'vitest';
import { startSandbox, type AwsCoordinates } from '../../sandbox/index.js';

export interface GuardedAws {
  readonly at: AwsCoordinates;
  /** A user's keys, with this policy and no other. */
  user(policy: string): Promise<Record<string, string>>;
  /** From here on everything is refused that no policy allows. */
  guard(): Promise<void>;
}

/** An AWS of this test's own, since who may do what there holds for all of it. */
export async function guardedAws(): Promise<GuardedAws> {
  const own = await startSandbox({ servers: ['aws'] });
  onTestFinished(() => own.stop());
  const { endpoint, region, accessKeyId, secretAccessKey } = own.aws;
  const credentials = { accessKeyId, secretAccessKey };
  const iam = new IAMClient({ endpoint, region, credentials });
  onTestFinished(() => iam.destroy());
  return {
    at: own.aws,
    user: async (PolicyDocument) => {
      const UserName = `user-${randomBytes(4).toString('hex')}`;
      await iam.send(new CreateUserCommand({ UserName }));
      const { Policy } = await iam.send(
        new CreatePolicyCommand({ PolicyName: UserName, PolicyDocument }),
      );
      await iam.send(new AttachUserPolicyCommand({ UserName, PolicyArn: Policy?.Arn }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
      return {
        AWS_ACCESS_KEY_ID: AccessKey?.AccessKeyId ?? '',
        AWS_SECRET_ACCESS_KEY: AccessKey?.SecretAccessKey ?? '',
      };
    },
    guard: async () => {
      const answer = await fetch(`${endpoint}/moto-api/reset-auth`, { method: 'POST', body: '0' });
      if (!answer.ok) throw new Error(`reset-auth answered ${answer.status}`);
    },
  };
}
