import { readFile } from 'node:fs/promises';
import { S3Client } from '@aws-sdk/client-s3';
import { hideCredentials } from '../aws/known-credentials.js';
import { encryptedOnly, ENCRYPTED_ONLY } from '../aws/encrypted-only.js';
import { agents, SILENT } from '../aws/request-handler.js';
import { usage } from '../errors.js';
import type { S3TargetSettings } from '../settings.js';
import { tlsOptions, type TlsOptions } from '../tls.js';
import { oneLine } from './file-faults.js';

export const connectTimeoutMs = 10_000;
/**
 * Without a byte for this long, a connection counts as dead. Below half a minute: a server that falls silent during the last
 * attempt is to end the run soon after `retryFor`.
 */
export const idleTimeoutMs = 25_000;

/** @throws MigrateError `usage` where `caFile` cannot be read */
export async function readTlsOptions({ caFile, insecure }: S3TargetSettings): Promise<TlsOptions> {
  return tlsOptions({ ...(caFile !== undefined && { ca: await readCa(caFile) }), insecure });
}

/**
 * The SDK's client of a target. Region and credentials that the settings do not name come from the SDK's own chain
 * (environment, profile, role). Retries are off: the caller has one policy for all.
 */
export function openS3Client(settings: S3TargetSettings, tls: TlsOptions): S3Client {
  const client = new S3Client({
    maxAttempts: 1,
    // A signed request is for the host of the settings, wherever an answer says the bucket is.
    followRegionRedirects: false,
    // Every body carries a SHA-256 of ours or, in a multipart upload, of its part; another checksum by
    // the SDK on top would only cost time.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    // Nor does it compare what is read with the checksum S3 keeps: it does so for whole objects in one part alone, and throws
    // where a reader has to say what is damaged.
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(settings.region !== undefined && { region: settings.region }),
    ...(settings.endpoint !== undefined && { endpoint: settings.endpoint }),
    forcePathStyle: settings.forcePathStyle,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      // How many requests are in flight is decided by the caller; a limit here would let requests wait unseen
      // until they count as timed out.
      ...agents(tls, Number.POSITIVE_INFINITY),
      logger: SILENT,
    },
  });
  addHeaders(client, commonHeaders(settings));
  hideCredentials(client);
  if (!settings.insecure) {
    client.middlewareStack.add(encryptedOnly('S3'), ENCRYPTED_ONLY);
  }
  return client;
}

/** What every request of a target carries. */
export function commonHeaders({
  requesterPays,
  bucketOwner,
}: S3TargetSettings): Record<string, string> {
  return {
    ...(requesterPays === true && { 'x-amz-request-payer': 'requester' }),
    ...(bucketOwner !== undefined && { 'x-amz-expected-bucket-owner': bucketOwner }),
  };
}

/** Before requests are signed. */
function addHeaders(client: S3Client, headers: Readonly<Record<string, string>>): void {
  client.middlewareStack.add(
    (next) => (args) => {
      Object.assign((args.request as { headers: Record<string, string> }).headers, headers);
      return next(args);
    },
    { step: 'build', name: 'commonHeaders' },
  );
}

async function readCa(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw usage(
      `target.caFile cannot be read: ${oneLine(error)}`,
      'Set it to a PEM file with the certificate authority of the endpoint.',
      error,
    );
  }
}
