/** How the certificate of a server is checked. */
export interface TlsOptions {
  /** PEM, to trust instead of the system's authorities. */
  readonly ca?: Buffer;
  readonly rejectUnauthorized: boolean;
  readonly minVersion: 'TLSv1.2';
}

/**
 * Written out for every connection: otherwise NODE_TLS_REJECT_UNAUTHORIZED=0 would switch the check off, and
 * NODE_OPTIONS=--tls-min-v1.0 would allow versions of TLS that are broken.
 */
export function tlsOptions({ ca, insecure = false }: { ca?: Buffer; insecure?: boolean } = {}) {
  const options: TlsOptions = {
    ...(ca && { ca }),
    rejectUnauthorized: !insecure,
    minVersion: 'TLSv1.2',
  };
  return options;
}
