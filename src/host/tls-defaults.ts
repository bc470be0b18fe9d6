import tls from 'node:tls';

const UNCHECKED = 'NODE_TLS_REJECT_UNAUTHORIZED';

/**
 * Takes back what the environment does to the TLS of this process. Our own connections say themselves what they accept; this
 * is for those that the AWS SDK opens by itself to get credentials (STS, SSO).
 */
export function restoreTlsDefaults(): void {
  Reflect.deleteProperty(process.env, UNCHECKED);
  // Lowered by NODE_OPTIONS=--tls-min-v1.0.
  if (tls.DEFAULT_MIN_VERSION < 'TLSv1.2') tls.DEFAULT_MIN_VERSION = 'TLSv1.2';
}
