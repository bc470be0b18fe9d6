import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Fault } from '../fault.js';
import { contentChunks } from './content.js';
import type { Content } from './target.js';

/** Above this size, in bytes, an object goes up in parts. */
export const multipartAbove = 10_000_000;

const mebibyte = 1024 * 1024;
const smallestPart = 8 * mebibyte;
/** S3 allows 10,000; one less leaves room for rounding. */
const mostParts = 9_999;
/** Parts in flight: memory is this many parts, besides the content itself. */
const partsAtOnce = 2;

/**
 * Uploads a large object in parts, each refused by the server if its SHA-256 does not match, and compares the
 * length of what stands there afterwards. After a failure or an abort no part is left; this waits for that.
 */
export async function putMultipart(
  client: S3Client,
  object: PutObjectCommandInput & { Bucket: string; Key: string },
  content: Content,
  signal: AbortSignal,
): Promise<void> {
  const upload = new Upload({
    client: stoppable(client, signal),
    params: {
      ...object,
      Body: Readable.from(contentChunks(content), { objectMode: true }),
      ContentLength: content.bytes,
      ChecksumAlgorithm: 'SHA256',
    },
    partSize: partSizeFor(content.bytes),
    queueSize: partsAtOnce,
    leavePartsOnError: false,
  });
  await upload.done();
  const { Bucket, Key } = object;
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal });
  if (head.ContentLength !== content.bytes) {
    const found = head.ContentLength ?? 'unknown';
    throw new Fault(
      'S3',
      'retriable',
      'LengthMismatch',
      `s3://${Bucket}/${Key} has ${found} bytes after ${content.bytes} were uploaded`,
    );
  }
}

/** Bytes per part, in whole MiB: 8 unless that makes too many parts. */
export function partSizeFor(bytes: number): number {
  return Math.max(smallestPart, Math.ceil(bytes / mostParts / mebibyte) * mebibyte);
}

/**
 * The client as `Upload` is to see it: its requests end with the signal. Upload's own abort() leaves the requests
 * in flight running and returns before the parts are removed; a failed request makes it remove them first.
 * Creating is not interrupted, since its answer is what the upload can be removed by; nor is removing.
 */
function stoppable(client: S3Client, signal: AbortSignal): S3Client {
  const send = (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    const always =
      command instanceof CreateMultipartUploadCommand ||
      command instanceof AbortMultipartUploadCommand;
    return client.send(command, always ? {} : { abortSignal: signal });
  };
  return Object.create(client, { send: { value: send } }) as S3Client;
}
