import { isLoopback, unencryptedHost } from '../core/loopback.js';
import type { TrackingSettings } from '../core/settings.js';

/** The line for every run with `insecure: true`. */
export function insecureWarning(key: string, server: string): string {
  const also = server === 'MySQL' ? '' : ' and http:// is allowed';
  return `${key} is true: certificates of ${server} are not checked${also}, so anybody on the way can read and change what is sent`;
}

/**
 * Why URLs are refused: `http://` to another machine, and what is sent there is not for everybody. Undefined where they are
 * fine.
 *
 * @param what is sent, as in `the credentials`
 * @param key that allows it
 */
export function unencrypted(
  urls: readonly string[],
  what: string,
  key: string,
): string | undefined {
  const host = urls.map(unencryptedHost).find((one) => one !== undefined);
  if (host === undefined) return undefined;
  return `is http:// and leads to another machine, ${host}: ${what} would be sent unencrypted; write https://, or, where the network in between is yours alone, ${key}: true, of which every run warns`;
}

/** The line for every run in which messages come over a network unencrypted; there are no credentials. */
export function plainSourceWarning(urls: readonly string[]): string | undefined {
  const host = urls.map(unencryptedHost).find((one) => one !== undefined);
  if (host === undefined) return undefined;
  return `source.url is http:// and leads to another machine, ${host}: messages come unencrypted, so anybody on the way can read and change them`;
}

/** The line for every run in which a password and all rows cross a network unencrypted. */
export function plainTrackingWarning({
  host,
  socketPath,
}: Pick<TrackingSettings, 'host' | 'socketPath'>): string | undefined {
  if (socketPath !== undefined || isLoopback(host)) return undefined;
  return `tracking.tls is off: the connection to MySQL at ${host} is not encrypted, so anybody on the way can read and change what is sent`;
}
