import {
  GetObjectCommand,
  NoSuchKey,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { usage } from '../errors.js';
import type { S3TargetSettings } from '../settings.js';
import { contentAsBuffer } from './content.js';
import { claimMarker, markerKey } from './marker.js';
import { s3ClaimError, s3MarkerStore } from './s3-claim.js';
import { openS3Client, readTlsOptions } from './s3-client.js';
import { s3Fault } from './s3-faults.js';
import { multipartAbove, putMultipart } from './s3-multipart.js';
import { S3Put } from './s3-put.js';
import type { ObjectBody, PrefixOwner, StoredObject, Target } from './target.js';

/**
 * An S3 bucket as target. No request is sent before `claimPrefix`, `put` or `get`.
 * @throws MigrateError `usage` where `caFile` cannot be read
 */
export async function openS3Target(settings: S3TargetSettings): Promise<Target> {
  const tls = await readTlsOptions(settings);
  const client = openS3Client(settings, tls);
  return new BucketTarget(settings, client, new S3Put(client, settings.bucket, tls));
}

class BucketTarget implements Target {
  readonly layout: Target['layout'];
  readonly #settings: S3TargetSettings;
  readonly #client: S3Client;
  readonly #small: S3Put;
  readonly #encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;

  constructor(settings: S3TargetSettings, client: S3Client, small: S3Put) {
    this.layout = settings.layout;
    this.#settings = settings;
    this.#client = client;
    this.#small = small;
    this.#encryption = encryptionOf(settings);
  }

  async claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const place = {
      bucket: this.#settings.bucket,
      key: this.#fullKey(markerKey),
      encryption: this.#encryption,
    };
    try {
      await claimMarker(s3MarkerStore(this.#client, place, signal), owner);
    } catch (error) {
      signal.throwIfAborted();
      throw s3ClaimError(error, place);
    }
  }

  async put(key: string, body: ObjectBody, signal: AbortSignal): Promise<StoredObject> {
    signal.throwIfAborted();
    const { content } = body;
    const url = this.urlOf(key);
    const { bucket } = this.#settings;
    const object = {
      Key: this.#fullKey(key),
      ContentType: body.contentType,
      ...this.#encryption,
    };
    try {
      if (content.bytes > multipartAbove) {
        await putMultipart(this.#client, { ...object, Bucket: bucket }, content, signal);
      } else {
        const Body = await contentAsBuffer(content);
        await this.#small.put({ ...object, Body, sha256: content.sha256 }, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      throw s3Fault(error, `PUT ${url}`, bucket);
    }
    return { url, bytes: content.bytes, sha256: content.sha256 };
  }

  async get(url: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> {
    signal.throwIfAborted();
    const { Bucket, Key } = parseS3Url(url);
    try {
      const command = new GetObjectCommand({ Bucket, Key });
      const { Body } = await this.#client.send(command, { abortSignal: signal });
      return Body && readBody(Body as AsyncIterable<Uint8Array>, url, Bucket, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NoSuchKey) return undefined;
      throw s3Fault(error, `GET ${url}`, Bucket);
    }
  }

  urlOf(key: string): string {
    return `s3://${this.#settings.bucket}/${this.#fullKey(key)}`;
  }

  async close(): Promise<void> {
    this.#client.destroy();
    await this.#small.close();
  }

  #fullKey(key: string): string {
    return this.#settings.prefix === '' ? key : `${this.#settings.prefix}/${key}`;
  }
}

/** Everything behind the bucket is the key, as it is: a `%` in it is a `%`. */
function parseS3Url(url: string): { Bucket: string; Key: string } {
  const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(url) ?? [];
  if (Bucket === undefined || Key === undefined) {
    throw usage(`${url} is not in a bucket`, 'Set target.url to the directory that holds it.');
  }
  return { Bucket, Key };
}

async function* readBody(
  body: AsyncIterable<Uint8Array>,
  url: string,
  bucket: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw s3Fault(error, `GET ${url}`, bucket);
  }
}

function encryptionOf({
  encryption,
}: S3TargetSettings): Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'> {
  if (encryption === undefined) return {};
  if (encryption.type === 'sse-s3') return { ServerSideEncryption: 'AES256' };
  return {
    ServerSideEncryption: 'aws:kms',
    ...(encryption.keyId !== undefined && { SSEKMSKeyId: encryption.keyId }),
  };
}
