import { hideCredentials } from '../core/aws/known-credentials.js';
import { kindOfFailure, lacksCredentials, readAwsFailure } from '../core/aws/failure.js';
import { encryptedOnly, ENCRYPTED_ONLY } from '../core/aws/encrypted-only.js';
import { impatient } from '../core/aws/request-handler.js';
import { MigrateError, usage } from '../core/errors.js';
import { requireEncryptedCredentials } from './credential-endpoints.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Names the secret that holds further variables; it is no variable of the configuration itself. */
export const SECRET_VARIABLE = 'ES_MIGRATE_SECRET_ARN';
const TIMEOUT_MS = 10_000;

/**
 * The environment with the variables of a secret in AWS Secrets Manager, a JSON object such as
 * `{"ES_MIGRATE_TRACKING_PASSWORD": "…"}`: a function's own environment is shown to whoever may look at the function. What the
 * environment says itself counts more.
 *
 * @throws MigrateError `usage` where the secret may not be read, or is something else; `unavailable`
 */
export async function withSecrets(env: Environment): Promise<Environment> {
  const { [SECRET_VARIABLE]: arn, ...rest } = env;
  if (arn === undefined || arn === '') return rest;
  requireEncryptedCredentials(rest);
  const given = Object.entries(rest).filter(([, value]) => value !== undefined && value !== '');
  return { ...parse(await read(arn), arn), ...Object.fromEntries(given) };
}

async function read(SecretId: string): Promise<string> {
  const { GetSecretValueCommand, SecretsManagerClient } =
    await import('@aws-sdk/client-secrets-manager');
  const region = /^arn:[^:]*:secretsmanager:([^:]+):/.exec(SecretId)?.[1];
  const client = new SecretsManagerClient({
    ...(region !== undefined && { region }),
    requestHandler: impatient(TIMEOUT_MS),
  });
  hideCredentials(client);
  client.middlewareStack.add(encryptedOnly('Secrets Manager'), ENCRYPTED_ONLY);
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
    return SecretString ?? '';
  } catch (error) {
    throw explained(error, SecretId);
  } finally {
    client.destroy();
  }
}

function explained(error: unknown, arn: string): unknown {
  if (error instanceof Error && error.message.startsWith('Region is missing'))
    return usage(`no region is known for ${SECRET_VARIABLE}`, 'Give an ARN, or set AWS_REGION.');
  const failure = readAwsFailure(error, 'Secrets Manager');
  if (!failure) return error;
  const { code, message } = failure;
  if (lacksCredentials(failure))
    return usage(
      `no AWS credentials were found to read ${arn}`,
      'Set AWS_PROFILE, or run where a role is attached.',
    );
  if (code === 'ResourceNotFoundException')
    return usage(`${SECRET_VARIABLE}: there is no secret ${arn}`, 'Create it, or correct its ARN.');
  switch (kindOfFailure(failure)) {
    case 'access':
      return usage(
        `Secrets Manager denied secretsmanager:GetSecretValue on ${arn} (${code})`,
        'Grant it, and kms:Decrypt where the secret has a key of its own.',
      );
    case 'retriable':
      return new MigrateError('unavailable', `Secrets Manager did not give ${arn}: ${message}`, {
        advice: 'In a VPC it needs an endpoint of its own, or a NAT gateway.',
      });
    case 'credentials':
    case 'clock':
    case 'tls':
    case 'request':
      return usage(
        `Secrets Manager did not give ${arn}: ${message}`,
        `Correct ${SECRET_VARIABLE}.`,
      );
  }
}

/** What it holds is not to be shown, whatever it is. */
function parse(text: string, arn: string): Record<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  if (!isVariables(parsed))
    throw usage(
      `the secret ${arn} is not a JSON object of ES_MIGRATE_… variables`,
      'Store {"ES_MIGRATE_TRACKING_PASSWORD":"…","ES_MIGRATE_SOURCE_API_KEY":"…"}.',
    );
  return parsed;
}

function isVariables(value: unknown): value is Record<string, string> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(
      ([name, text]) =>
        name.startsWith('ES_MIGRATE_') && name !== SECRET_VARIABLE && typeof text === 'string',
    )
  );
}
