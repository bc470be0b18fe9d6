import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  type HeadObjectCommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { usage } from '../errors.js';
import { Fault } from '../fault.js';
import { requireS3Object } from './s3-answer.js';
import { unquoted } from './s3-etag.js';
import { readFailure, s3Fault } from './s3-faults.js';
import type { ByteRange, ObjectStat } from './target.js';

/** One object, as S3's requests name it. */
export interface ObjectPlace {
  readonly Bucket: string;
  readonly Key: string;
}

/** Everything behind the bucket is the key, as it is: a `%` in it is a `%`. */
export function parseS3Url(url: string): ObjectPlace {
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(url) ?? [];
  if (Bucket === undefined || Key === undefined) {
    throw usage(`${url} is not in a bucket`, 'Set target.url to the directory that holds it.');
  }
  return { Bucket, Key };
}

/**
 * An object's bytes, or as many of a range as there are; undefined where there is no object. The SDK doesn't compare them
 * with the checksum S3 keeps (s3-client.ts): whoever reads knows what they have to be.
 */
export async function openObject(
  client: S3Client,
  place: ObjectPlace,
  range: ByteRange | undefined,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const what = `GET s3://${place.Bucket}/${place.Key}`;
  try {
    const command = new GetObjectCommand({ ...place, ...(range && { Range: header(range) }) });
    const answer = await client.send(command, { abortSignal: signal });
    const { Body, ContentRange } = answer;
    if (Body === undefined) return undefined;
    const body = Body as Readable;
    try {
      requireS3Object(what, answer);
    } catch (error) {
      body.destroy();
      throw error;
    }
    if (range && ContentRange === undefined) {
      body.destroy();
      const message = `${what}: the server sent all of it where a part was asked for`;
      throw new Fault('S3', 'request', 'RangeIgnored', message);
    }
    return chunksOf(body, what, place.Bucket, signal);
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    // The range begins behind the end.
    if (readFailure(error)?.code === 'InvalidRange') return Readable.from([]);
    throw error;
  }
}

/** What S3 knows of an object without sending it. An answer to HEAD has no body: a missing bucket looks the same. */
export async function lookAt(
  client: S3Client,
  place: ObjectPlace,
  abortSignal: AbortSignal,
): Promise<ObjectStat | undefined> {
  try {
    const command = new HeadObjectCommand({ ...place, ChecksumMode: 'ENABLED' });
    const found = await client.send(command, { abortSignal });
    requireS3Object(`HEAD s3://${place.Bucket}/${place.Key}`, found);
    return foundIn(found);
  } catch (error) {
    if (readFailure(error)?.status === 404) return undefined;
    throw error;
  }
}

function foundIn({ ContentLength = 0, ETag, ChecksumSHA256 }: HeadObjectCommandOutput): ObjectStat {
  // Of an object in parts S3 keeps the SHA-256 of their SHA-256s, and `-` and their number.
  const isWhole = ChecksumSHA256 !== undefined && /^[^-]+$/.test(ChecksumSHA256);
  return {
    bytes: ContentLength,
    etag: unquoted(ETag),
    sha256: isWhole ? Buffer.from(ChecksumSHA256, 'base64') : undefined,
  };
}

/** RFC 9110: both ends are included. */
function header({ start, bytes }: ByteRange): string {
  return `bytes=${start}-${start + bytes - 1}`;
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  what: string,
  bucket: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw s3Fault(error, what, bucket, { hasAnswered: true });
  }
}
