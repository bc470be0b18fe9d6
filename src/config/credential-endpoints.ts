import { usage } from '../core/errors.js';
import { unencryptedHost } from '../core/loopback.js';
import type { Settings } from '../core/settings.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the AWS SDK gets credentials from, with tokens that count as much: it asks there before any client of ours. */
const VARIABLES = ['STS', 'SSO', 'SSO_OIDC', 'SIGNIN'].map((name) => `AWS_ENDPOINT_URL_${name}`);

/** @throws MigrateError `usage` where a variable leads the SDK to another machine for credentials, unencrypted */
export function requireEncryptedCredentials(env: Environment): void {
  for (const name of [...VARIABLES, 'AWS_ENDPOINT_URL']) {
    const host = unencryptedHost(env[name] ?? '');
    if (host === undefined) continue;
    throw usage(
      `${name} is http:// and leads to another machine, ${host}: credentials would be sent unencrypted`,
      `Write https:// in ${name}.`,
    );
  }
}

/** Whether a command with these settings talks to AWS, or to what speaks like it, and has to be encrypted there. */
export function needsEncryptedAws({ target, queue, monitor }: Settings): boolean {
  const s3 = target?.kind === 's3' ? target : undefined;
  const monitors = [monitor?.metricsNamespace, monitor?.logGroup, monitor?.alertTopic];
  const isUsed = s3 ?? queue ?? monitors.find((one) => one !== undefined);
  const mayBePlain = [s3, queue, monitor].some((one) => one?.insecure === true);
  return isUsed !== undefined && !mayBePlain;
}
