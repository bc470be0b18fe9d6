import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { onTestFinished } from 'vitest';
import { createCertificates, type Certificates } from '../../sandbox/certificates.js';

/** A certificate of a fresh authority, with its key; removed after the test. */
export async function freshCertificate(
  names?: string,
): Promise<Certificates & { readonly cert: Buffer; readonly key: Buffer }> {
  const directory = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const made = await createCertificates(directory, names);
  const [cert, key] = await Promise.all([readFile(made.certFile), readFile(made.keyFile)]);
  return { ...made, cert, key };
}

/** Of a server that speaks nothing newer than TLS 1.1. */
export const OLD_TLS = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' } as const;

/** For one test, Node's defaults as NODE_OPTIONS="--tls-min-v1.0 --tls-cipher-list=DEFAULT@SECLEVEL=0" sets them. */
export function allowOldTls(): void {
  const { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS } = tls;
  onTestFinished(() => {
    Object.assign(tls, { DEFAULT_MIN_VERSION, DEFAULT_CIPHERS });
  });
  Object.assign(tls, { DEFAULT_MIN_VERSION: 'TLSv1', DEFAULT_CIPHERS: 'DEFAULT@SECLEVEL=0' });
}
