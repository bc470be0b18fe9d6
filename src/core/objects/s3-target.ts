import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { isForeseen } from '../fault.js';
import type { S3TargetSettings } from '../settings.js';
import { reached } from '../steps.js';
import { contentAsBuffer } from './content.js';
import { claimMarker, markerKey } from './marker.js';
import { s3ClaimError, s3MarkerStore } from './s3-claim.js';
import { outsideTarget } from './outside.js';
import { commonHeaders, openS3Client, readTlsOptions } from './s3-client.js';
import { clockCorrected, signingClock } from './s3-clock.js';
import { putConditionally, type Condition, type Written } from './s3-condition.js';
import { deleteObjects } from './s3-delete.js';
import { readFailure, s3Fault } from './s3-faults.js';
import { listObjects, listUploads, type ListPlace } from './s3-list.js';
import { multipartAbove, putMultipart } from './s3-multipart.js';
import { S3Put } from './s3-put.js';
import { lookAt, openObject, parseS3Url, type ObjectPlace } from './s3-read.js';
import { ConditionalWriter } from './s3-write.js';
import type {
  ByteRange,
  ClaimedPrefix,
  ListedPage,
  ObjectBody,
  ObjectStat,
  PrefixOwner,
  ReadOptions,
  StoredObject,
  Target,
  UnfinishedUpload,
} from './target.js';

/**
 * An S3 bucket as target. No request is sent before `claimPrefix`, `put` or `get`.
 *
 * @param known what another process of this command has seen of it
 * @throws MigrateError `usage` where `caFile` cannot be read
 */
export async function openS3Target(
  settings: S3TargetSettings,
  known?: ClaimedPrefix,
): Promise<Target> {
  const tls = await readTlsOptions(settings);
  const client = openS3Client(settings, tls);
  const { bucket } = settings;
  const headers = commonHeaders(settings);
  const small = new S3Put(client, { bucket, tls, headers });
  const target = new BucketTarget(settings, client, small);
  if (known?.ignoresConditions) target.doWithoutConditions();
  return target;
}

const readingAdvice =
  'Grant s3:GetObject below the prefix and s3:ListBucket on the bucket: without them it cannot be told what stands there. With SSE-KMS also the use of the key.';
const listingAdvice = 'Grant s3:ListBucket on the bucket: verify lists what lies under the prefix.';
const deletingAdvice =
  'Grant s3:DeleteObject below the prefix: what crashed attempts left is removed, nothing else.';
const abortingAdvice = 'Grant s3:AbortMultipartUpload below the prefix.';

class BucketTarget implements Target {
  readonly layout: Target['layout'];
  readonly #settings: S3TargetSettings;
  readonly #client: S3Client;
  readonly #small: S3Put;
  readonly #encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;
  readonly #writer = new ConditionalWriter();
  #hasAnswered = false;

  constructor(settings: S3TargetSettings, client: S3Client, small: S3Put) {
    this.layout = settings.layout;
    this.#settings = settings;
    this.#client = client;
    this.#small = small;
    this.#encryption = encryptionOf(settings);
  }

  /** The store was seen to ignore them. */
  doWithoutConditions(): void {
    this.#writer.doWithout();
  }

  async claimPrefix(owner: PrefixOwner, signal: AbortSignal): Promise<ClaimedPrefix> {
    signal.throwIfAborted();
    const place = {
      bucket: this.#settings.bucket,
      key: this.#fullKey(markerKey),
      encryption: this.#encryption,
    };
    const clock = signingClock(this.#client);
    try {
      const claimed = await claimMarker(s3MarkerStore(this.#client, place, signal), owner);
      this.#hasAnswered = true;
      if (claimed.ignoresConditions) this.doWithoutConditions();
      return claimed;
    } catch (error) {
      signal.throwIfAborted();
      const what = `access to ${this.urlOf(markerKey)}`;
      throw clockCorrected(error, what, this.#client, clock) ?? s3ClaimError(error, place);
    }
  }

  async put(
    key: string,
    { content, contentType }: ObjectBody,
    signal: AbortSignal,
    beforeReplacing?: () => Promise<void>,
  ): Promise<StoredObject> {
    signal.throwIfAborted();
    const url = this.urlOf(key);
    const object = {
      Bucket: this.#settings.bucket,
      Key: this.#fullKey(key),
      ContentType: contentType,
      ...this.#encryption,
    };
    const inParts = content.bytes > multipartAbove;
    const send = async (condition: Condition): Promise<Written> => {
      if (inParts) return putMultipart(this.#client, { ...object, ...condition }, content, signal);
      const Body = await contentAsBuffer(content);
      return this.#small.put({ ...object, Body, sha256: content.sha256 }, condition, signal);
    };
    const look = () => this.#look(object, signal);
    const { etag } = await putConditionally(
      {
        url,
        lookFirst: inParts || !this.#writer.supported,
        look,
        isSame: async ({ bytes }) =>
          bytes === content.bytes && (await this.#holds(url, content.sha256, signal)),
        write: (condition) =>
          this.#request(`PUT ${url}`, signal, () => this.#writer.write(send, condition, look)),
      },
      beforeReplacing,
    );
    reached('object-uploaded');
    return { url, bytes: content.bytes, sha256: content.sha256, etag };
  }

  async get(
    url: string,
    signal: AbortSignal,
    range?: ByteRange,
    options?: ReadOptions,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const place = this.#placeToRead(url, options);
    const open = () => openObject(this.#client, place, range, signal);
    return this.#request(`GET ${url}`, signal, open, undefined, place.Bucket);
  }

  async stat(url: string, signal: AbortSignal): Promise<ObjectStat | undefined> {
    return this.#look(this.#placeToRead(url), signal);
  }

  async list(after: string | undefined, signal: AbortSignal): Promise<ListedPage> {
    return this.#request(
      `listing ${this.urlOf('')}`,
      signal,
      () => listObjects(this.#client, this.#place, after, signal),
      listingAdvice,
    );
  }

  async delete(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { bucket } = this.#settings;
    const all = keys.map((key) => this.#fullKey(key));
    await this.#request(
      `deleting objects below ${this.urlOf('')}`,
      signal,
      () => deleteObjects(this.#client, bucket, all, signal),
      deletingAdvice,
    );
  }

  async unfinished(signal: AbortSignal): Promise<readonly UnfinishedUpload[] | undefined> {
    return this.#request(`listing uploads to ${this.urlOf('')}`, signal, async () => {
      try {
        return await listUploads(this.#client, this.#place, signal);
      } catch (error) {
        const failure = readFailure(error);
        if (failure?.kind === 'access' || failure?.status === 501) return undefined;
        throw error;
      }
    });
  }

  async abandon(
    { key, id }: Pick<UnfinishedUpload, 'key' | 'id'>,
    signal: AbortSignal,
  ): Promise<void> {
    const upload = { Bucket: this.#settings.bucket, Key: this.#fullKey(key), UploadId: id };
    const abort = async () => {
      try {
        const command = new AbortMultipartUploadCommand(upload);
        await this.#client.send(command, { abortSignal: signal });
      } catch (error) {
        if (readFailure(error)?.code !== 'NoSuchUpload') throw error;
      }
    };
    await this.#request(`removing parts of ${this.urlOf(key)}`, signal, abort, abortingAdvice);
  }

  keyOf(url: string): string | undefined {
    const start = this.urlOf('');
    return url.startsWith(start) && url.length > start.length ? url.slice(start.length) : undefined;
  }

  urlOf(key: string): string {
    return `s3://${this.#settings.bucket}/${this.#fullKey(key)}`;
  }

  async close(): Promise<void> {
    this.#client.destroy();
    await this.#small.close();
  }

  /** @throws MigrateError `usage` for what is no URL of an object, or not under this prefix */
  #placeToRead(url: string, { anywhere = false }: ReadOptions = {}): ObjectPlace {
    const place = parseS3Url(url);
    if (!anywhere && this.keyOf(url) === undefined) throw outsideTarget(url, this.urlOf(''));
    return place;
  }

  get #place(): ListPlace {
    return { bucket: this.#settings.bucket, start: this.#fullKey('') };
  }

  #fullKey(key: string): string {
    return this.#settings.prefix === '' ? key : `${this.#settings.prefix}/${key}`;
  }

  /** What fails in `send` is thrown as what it means for the run. `advice`: which permission it needs; `bucket`: where it goes. */
  async #request<T>(
    what: string,
    signal: AbortSignal,
    send: () => Promise<T>,
    advice?: string,
    bucket = this.#settings.bucket,
  ): Promise<T> {
    signal.throwIfAborted();
    const clock = signingClock(this.#client);
    try {
      const answer = await send();
      this.#hasAnswered = true;
      return answer;
    } catch (error) {
      signal.throwIfAborted();
      if (isForeseen(error)) throw error;
      const hasAnswered = this.#hasAnswered;
      throw (
        clockCorrected(error, what, this.#client, clock) ??
        s3Fault(error, what, bucket, { advice, hasAnswered })
      );
    }
  }

  /**
   * Whether an object has these bytes. It is read: what the server says of it may be true of what was written, and no longer
   * of what it holds.
   */
  async #holds(url: string, sha256: Uint8Array, signal: AbortSignal): Promise<boolean> {
    const hash = createHash('sha256');
    for await (const chunk of (await this.get(url, signal)) ?? []) hash.update(chunk);
    return hash.digest().equals(sha256);
  }

  #look({ Bucket, Key }: ObjectPlace, signal: AbortSignal): Promise<ObjectStat | undefined> {
    return this.#request(
      `HEAD s3://${Bucket}/${Key}`,
      signal,
      () => lookAt(this.#client, { Bucket, Key }, signal),
      readingAdvice,
      Bucket,
    );
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
