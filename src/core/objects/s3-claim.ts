import { createHash } from 'node:crypto';
import {
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { GIVE_CREDENTIALS, lacksCredentials } from '../aws/failure.js';
import { usage } from '../errors.js';
import { isForeseen } from '../fault.js';
import { LONGEST_MARKER, notAMarker, type MarkerStore } from './marker.js';
import { notFromS3, requireS3Object } from './s3-answer.js';
import { readFailure, s3Fault, s3UsageError } from './s3-faults.js';
import { lacksConditions } from './s3-unsupported.js';

export interface MarkerPlace {
  readonly bucket: string;
  /** The marker's full key. */
  readonly key: string;
  readonly encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;
}

/**
 * The marker in a bucket. It is asked for by GET, not HEAD: only an answer with a body says whether bucket, key or
 * credentials are wrong.
 */
export function s3MarkerStore(
  client: S3Client,
  place: MarkerPlace,
  signal: AbortSignal,
): MarkerStore {
  const { bucket: Bucket, key: Key } = place;
  const put = async (text: string, condition: { IfNoneMatch?: '*' }): Promise<void> => {
    const Body = Buffer.from(text, 'utf8');
    const object = {
      ...{ Bucket, Key, Body, ContentType: 'application/json', ...place.encryption },
      // As documents have it: a store that doesn't take this header is to say so before anything is claimed.
      ChecksumSHA256: createHash('sha256').update(Body).digest('base64'),
    };
    const command = new PutObjectCommand({ ...object, ...condition });
    const { ETag } = await client.send(command, { abortSignal: signal });
    if (!ETag) throw notFromS3(`PUT ${urlOf(place)}`, 'ETag');
  };
  return {
    server: 'S3',
    url: urlOf(place),
    style: 's3',
    read: async () => {
      try {
        const command = new GetObjectCommand({ Bucket, Key });
        const answer = await client.send(command, { abortSignal: signal });
        const isLong = (answer.ContentLength ?? 0) > LONGEST_MARKER;
        if (isLong) (answer.Body as { destroy?: () => void } | undefined)?.destroy?.();
        const text = isLong ? '' : await answer.Body?.transformToString('utf8');
        requireS3Object(`GET ${urlOf(place)}`, answer);
        if (isLong) throw notAMarker(urlOf(place));
        return text;
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    create: async (text) => {
      try {
        await put(text, { IfNoneMatch: '*' });
      } catch (error) {
        const status = readFailure(error)?.status;
        // Somebody else was faster.
        if (status === 412) return;
        // A server without conditional writes: who wrote last is read back afterwards.
        if (!lacksConditions(error)) throw error;
        await put(text, {});
      }
    },
    replace: (text) => put(text, {}),
    heedsConditions: async (text) => {
      try {
        await put(text, { IfNoneMatch: '*' });
        return false;
      } catch (error) {
        if (readFailure(error)?.status === 412) return true;
        if (lacksConditions(error)) return false;
        throw error;
      }
    },
  };
}

/** What an error while claiming means: before anything was done, a refusal is for the user to resolve. */
export function s3ClaimError(error: unknown, place: MarkerPlace): unknown {
  if (isForeseen(error)) return error;
  const { bucket } = place;
  const what = `access to ${urlOf(place)}`;
  if (error instanceof Error && /region is missing/i.test(error.message)) {
    return usage(
      `No region is known for bucket ${bucket}`,
      'Set target.region, AWS_REGION, or a region in the AWS profile.',
    );
  }
  const failure = readFailure(error);
  if (failure === undefined) return error;
  if (lacksCredentials(failure)) {
    return usage(`No AWS credentials were found for bucket ${bucket}`, GIVE_CREDENTIALS);
  }
  if (failure.code === 'ExpiredToken') return s3UsageError(failure, 'credentials', what, bucket);
  if (failure.kind === 'request') {
    return usage(
      `The target s3://${bucket} cannot be used: ${failure.message}`,
      'Check target.url, target.endpoint and target.encryption; the store has to take the header x-amz-checksum-sha256.',
    );
  }
  return s3Fault(error, what, bucket);
}

function urlOf({ bucket, key }: MarkerPlace): string {
  return `s3://${bucket}/${key}`;
}
