import { usage } from '../errors.js';
import { unencryptedHost } from '../loopback.js';

/** Where that middleware stands: the address is known, nothing is signed yet. */
export const ENCRYPTED_ONLY = { step: 'build', name: 'encryptedOnly' } as const;

/**
 * Middleware for the SDK's clients: nothing is sent unencrypted to another machine. Addresses also come from
 * AWS_ENDPOINT_URL… and from profiles, which only the SDK knows.
 *
 * @param service as it is named to users, such as `S3`
 * @throws MigrateError `usage`
 */
export function encryptedOnly(service: string) {
  return <Input extends object, Output>(next: (args: Input) => Promise<Output>) =>
    (args: Input): Promise<Output> => {
      const { request } = args as { request?: { protocol?: string; hostname?: string } };
      const { protocol = 'https:', hostname = '' } = request ?? {};
      requireEncryption(`${protocol}//${hostname}`, service);
      return next(args);
    };
}

/** @throws MigrateError `usage` where the URL is `http://` and leads to another machine */
export function requireEncryption(url: string, service: string): void {
  const host = unencryptedHost(url);
  if (host === undefined) return;
  throw usage(
    `the address of ${service} is http:// and leads to another machine, ${host}: content and session tokens would be sent unencrypted`,
    'Write https:// where the address is set: in the configuration, in AWS_ENDPOINT_URL or in the AWS profile.',
  );
}
