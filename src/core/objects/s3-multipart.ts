import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  UploadPartCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Fault } from '../fault.js';
import { retrying } from '../retry.js';
import { reached } from '../steps.js';
import { contentChunks } from './content.js';
import { notFromS3, requireS3Object } from './s3-answer.js';
import type { Condition, Written } from './s3-condition.js';
import { unquoted } from './s3-etag.js';
import { readFailure, s3Fault } from './s3-faults.js';
import { lacksChecksums } from './s3-unsupported.js';
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
 * Clients of servers that know no checksums of parts (Cloudflare R2, of the whole upload's algorithm). The signature still holds
 * each part's SHA-256, and the length is compared.
 */
const withoutChecksums = new WeakSet<S3Client>();
/** How long removing the parts of an upload that failed is tried, in milliseconds. */
const removalPatienceMs = 5_000;

/**
 * Uploads a large object in parts, each refused by the server if its SHA-256 does not match (but for servers that know no such
 * checksums), and compares the
 * length of what stands there afterwards. The condition is checked when the parts are put together. After a failure or an
 * abort no part is left, and this waits for that; where removing them fails, too, they stay listed as an unfinished upload.
 */
export async function putMultipart(
  client: S3Client,
  object: PutObjectCommandInput & Condition & { Bucket: string; Key: string },
  content: Content,
  signal: AbortSignal,
): Promise<Written> {
  const uploadWith = async (checksum: { ChecksumAlgorithm?: 'SHA256' }) => {
    const upload = new Upload({
      client: watched(client, signal),
      params: {
        ...object,
        Body: Readable.from(contentChunks(content), { objectMode: true }),
        ContentLength: content.bytes,
        ...checksum,
      },
      partSize: partSizeFor(content.bytes),
      queueSize: partsAtOnce,
      leavePartsOnError: false,
    });
    reached('upload-begun');
    return upload.done();
  };
  const { ETag } = withoutChecksums.has(client)
    ? await uploadWith({})
    : await uploadWith({ ChecksumAlgorithm: 'SHA256' }).catch((error: unknown) => {
        if (!lacksChecksums(error)) throw error;
        withoutChecksums.add(client);
        return uploadWith({});
      });
  const { Bucket, Key } = object;
  const head = await client.send(new HeadObjectCommand({ Bucket, Key }), { abortSignal: signal });
  requireS3Object(`HEAD s3://${Bucket}/${Key}`, head);
  if (head.ContentLength !== content.bytes) {
    const found = head.ContentLength ?? 'unknown';
    throw new Fault(
      'S3',
      'retriable',
      'LengthMismatch',
      `s3://${Bucket}/${Key} has ${found} bytes after ${content.bytes} were uploaded`,
    );
  }
  return { etag: unquoted(ETag) };
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
function watched(client: S3Client, signal: AbortSignal): S3Client {
  const send = async (command: Parameters<S3Client['send']>[0]): Promise<unknown> => {
    if (command instanceof AbortMultipartUploadCommand) return removeParts(client, command);
    const isCreation = command instanceof CreateMultipartUploadCommand;
    const answer = await client.send(command, isCreation ? {} : { abortSignal: signal });
    requireOfS3(command, answer);
    if (command instanceof UploadPartCommand) reached('part-uploaded');
    return answer;
  };
  return Object.create(client, { send: { value: send } }) as S3Client;
}

/** @throws Fault `retriable` where the answer lacks what has to be in S3's */
function requireOfS3(command: Parameters<S3Client['send']>[0], answer: object): void {
  const { Bucket = '', Key = '' } = command.input as { Bucket?: string; Key?: string };
  const needed =
    command instanceof CreateMultipartUploadCommand
      ? 'UploadId'
      : command instanceof UploadPartCommand || command instanceof CompleteMultipartUploadCommand
        ? 'ETag'
        : undefined;
  if (needed !== undefined && !(answer as Record<string, unknown>)[needed])
    throw notFromS3(`upload in parts of s3://${Bucket}/${Key}`, needed);
}

/**
 * Removes what was uploaded, and never fails: what made the upload fail is what the caller has to know. Nobody else comes
 * back to these parts, so this is tried more than once, also for an upload that was stopped.
 */
async function removeParts(client: S3Client, command: AbortMultipartUploadCommand): Promise<void> {
  const { Bucket = '', Key } = command.input;
  const remove = async () => {
    try {
      await client.send(command);
    } catch (error) {
      if (readFailure(error)?.code === 'NoSuchUpload') return;
      throw s3Fault(error, `removing the parts of s3://${Bucket}/${Key}`, Bucket);
    }
  };
  const policy = { retryForMs: removalPatienceMs, report: () => undefined };
  const { signal } = new AbortController();
  await retrying(policy, remove, { signal }).catch(() => undefined);
}
