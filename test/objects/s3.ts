import { S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, vi } from 'vitest';
import { isMigrateError, type MigrateError } from '../../src/core/errors.js';
import { isFault, type Fault } from '../../src/core/fault.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import type { ClaimedPrefix, ObjectBody, Target } from '../../src/core/objects/target.js';
import type { S3TargetSettings } from '../../src/core/settings.js';
import { freshPrefix, sandbox } from '../support/sandbox.js';
import { inMemory, rejection, thisProcess } from './contents.js';
import { proxyTo, type Proxy, type ProxyOptions } from './proxy.js';

/** The sandbox's credentials alone, for one test: for `beforeEach`. */
export function sandboxCredentials(): () => void {
  const { accessKeyId, secretAccessKey } = sandbox().s3;
  // What the machine knows of AWS must not decide the outcome.
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  for (const name of ['AWS_PROFILE', 'AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_SESSION_TOKEN']) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  return () => vi.unstubAllEnvs();
}

/** A target in the sandbox's S3, under a prefix of its own. */
export async function open(
  changes: Partial<S3TargetSettings> = {},
  known?: ClaimedPrefix,
): Promise<Target> {
  const { endpoint, bucket, region } = sandbox().s3;
  const settings: S3TargetSettings = {
    kind: 's3',
    layout: 'message',
    prefix: freshPrefix(),
    forcePathStyle: true,
    insecure: false,
    ...{ endpoint, bucket, region },
    ...changes,
  };
  const target = await openTarget(settings, thisProcess, known);
  onTestFinished(() => target.close());
  return target;
}

/** The same, through a proxy. */
export async function openThrough(
  options: ProxyOptions,
  changes: Partial<S3TargetSettings> = {},
): Promise<Target & Pick<Proxy, 'requests' | 'cut'>> {
  const { endpoint, requests, cut } = await proxyTo(sandbox().s3.endpoint, options);
  return Object.assign(await open({ endpoint, ...changes }), { requests, cut });
}

/** A client of the SDK's own, to look at what stands there. */
export function observer(): S3Client {
  const { endpoint, region } = sandbox().s3;
  const client = new S3Client({ endpoint, region, forcePathStyle: true });
  onTestFinished(() => client.destroy());
  return client;
}

export async function body(
  bytes: Uint8Array | string,
  contentType: ObjectBody['contentType'] = 'application/json',
): Promise<ObjectBody> {
  return { content: await inMemory(Buffer.from(bytes)), contentType };
}

/** The usage error a promise is rejected with: one line, no secret. */
export async function usageError(promise: Promise<unknown>): Promise<MigrateError> {
  const error = await rejection(promise);
  if (!isMigrateError(error)) throw error;
  expect(error.kind).toBe('usage');
  expect(error.message).not.toContain('\n');
  expect(error.message + (error.advice ?? '')).not.toContain(process.env['AWS_SECRET_ACCESS_KEY']);
  return error;
}

/** The fault of S3 a promise is rejected with: one line. */
export async function fault(promise: Promise<unknown>): Promise<Fault> {
  const error = await rejection(promise);
  if (!isFault(error)) throw error;
  expect(error.server).toBe('S3');
  expect(error.message).not.toContain('\n');
  return error;
}
