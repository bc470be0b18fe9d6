/**
 * PUT of one object in one request, without the SDK's own way of sending it.
 *
 * Layout `message` is one small object per message, and there the SDK is the limit: a PutObject of 1 KB takes it five to
 * six times the CPU of this (0.93 ms against 0.17, bench/uploads.ts). Address, credentials and the signature still come from
 * the SDK's own parts; what is left out is its middleware and Node's HTTP client.
 */
import { Readable } from 'node:stream';
import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { Pool, type Dispatcher } from 'undici';
import { hide } from '../aws/known-credentials.js';
import { requireEncryption } from '../aws/encrypted-only.js';
import { reached } from '../steps.js';
import type { TlsOptions } from '../tls.js';
import { isPage, notFromS3 } from './s3-answer.js';
import { addressOf, pathOf, type S3Address } from './s3-address.js';
import { connectTimeoutMs, idleTimeoutMs } from './s3-client.js';
import type { Condition, Written } from './s3-condition.js';
import { unquoted } from './s3-etag.js';
import { S3Refusal } from './s3-refusal.js';

/** An object of at most a few MB, whole in memory. */
export interface SmallObject extends Pick<
  PutObjectCommandInput,
  'ServerSideEncryption' | 'SSEKMSKeyId'
> {
  readonly Key: string;
  readonly ContentType: string;
  readonly Body: Uint8Array;
  /** Of the body: the server refuses one that does not match, and keeps it with the object. */
  readonly sha256: Uint8Array;
}

/** Bodies above this go out in pieces: see `bodyOf`. */
const pieceBytes = 256 * 1024;
/** S3's errors have less than 2 KB; a stranger's page is not read to its end. */
const longestRefusalBytes = 64 * 1024;

/** Puts objects into one bucket; errors are those of undici, of the SDK's credentials or an {@link S3Refusal}. */
export class S3Put {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #tls: TlsOptions;
  readonly #headers: Readonly<Record<string, string>>;
  #way: Promise<Way | undefined> | undefined;

  /** @param headers that every request carries besides its own */
  constructor(
    client: S3Client,
    { bucket, tls, headers }: { bucket: string; tls: TlsOptions; headers: Record<string, string> },
  ) {
    this.#client = client;
    this.#bucket = bucket;
    this.#tls = tls;
    this.#headers = headers;
  }

  /**
   * Returns when the server has confirmed the object with its SHA-256. One request, never repeated. Where the condition
   * isn't met, that is an error like any other.
   */
  async put(object: SmallObject, condition: Condition, signal: AbortSignal): Promise<Written> {
    this.#way ??= this.#openWay().catch((error: unknown) => {
      // Region or profile may be there the next time.
      this.#way = undefined;
      throw error;
    });
    const way = await this.#way;
    signal.throwIfAborted();
    if (way === undefined) {
      return putBySdk(this.#client, { ...object, ...condition, Bucket: this.#bucket }, signal);
    }
    return this.#putDirectly(way, object, condition, signal);
  }

  /** Ends the connections, also those in use. */
  async close(): Promise<void> {
    const way = await this.#way?.catch(() => undefined);
    await way?.pool.destroy();
  }

  async #putDirectly(
    way: Way,
    object: SmallObject,
    condition: Condition,
    signal: AbortSignal,
  ): Promise<Written> {
    const { address, signer, pool } = way;
    const { config } = this.#client;
    const path = pathOf(address, object.Key);
    const signed = await signer.sign(
      {
        method: 'PUT',
        protocol: 'https:',
        hostname: address.host,
        path,
        headers: {
          ...headersOf(object, address),
          ...conditionHeaders(condition),
          ...this.#headers,
        },
      },
      { signingDate: new Date(Date.now() + config.systemClockOffset) },
    );
    reached('upload-begun');
    const answer = await pool.request({
      method: 'PUT',
      path,
      headers: { ...signed.headers, 'user-agent': 'es-migrate' },
      body: bodyOf(object.Body),
      signal,
    });
    const headers = flat(answer.headers);
    this.#compareClocks(headers);
    if (answer.statusCode >= 300) {
      throw new S3Refusal(answer.statusCode, headers, await beginningOf(answer.body));
    }
    await answer.body.dump();
    const what = `PUT s3://${this.#bucket}/${object.Key}`;
    if (isPage(headers['content-type'])) throw notFromS3(what, 'ETag but a page of HTML');
    return writtenBy(what, headers['etag']);
  }

  async #openWay(): Promise<Way | undefined> {
    const address = await addressOf(this.#client, this.#bucket);
    if (address === undefined) return undefined;
    if (this.#tls.rejectUnauthorized) requireEncryption(address.origin, 'S3');
    const { credentials, sha256 } = this.#client.config;
    const hidden: typeof credentials = async (properties) => {
      const renewed = await credentials(properties);
      hide(renewed);
      return renewed;
    };
    return {
      address,
      signer: new SignatureV4({
        service: address.signingName,
        region: address.signingRegion,
        // Asked for each signature: the SDK keeps them and renews them in time.
        credentials: hidden,
        sha256,
        uriEscapePath: false,
        applyChecksum: false,
      }),
      pool: new Pool(address.origin, {
        // How many requests are in flight is decided by the caller.
        connections: null,
        pipelining: 1,
        connect: { ...this.#tls, timeout: connectTimeoutMs },
        headersTimeout: idleTimeoutMs,
        bodyTimeout: idleTimeoutMs,
      }),
    };
  }

  /** A clock that drifts during a long run doesn't end it: as the SDK does, sign by the server's. */
  #compareClocks({ date, age }: Readonly<Record<string, string>>): void {
    if (date === undefined || age !== undefined) return;
    const offset = Date.parse(date) - Date.now();
    if (!Number.isNaN(offset)) this.#client.config.systemClockOffset = offset;
  }
}

interface Way {
  readonly address: S3Address;
  readonly signer: SignatureV4;
  readonly pool: Pool;
}

/** All of them are signed. */
function headersOf(object: SmallObject, { host }: S3Address): Record<string, string> {
  const sha256 = Buffer.from(object.sha256);
  const { ServerSideEncryption, SSEKMSKeyId } = object;
  return {
    host,
    'content-type': object.ContentType,
    'content-length': String(object.Body.length),
    'x-amz-content-sha256': sha256.toString('hex'),
    'x-amz-checksum-sha256': sha256.toString('base64'),
    ...(ServerSideEncryption !== undefined && {
      'x-amz-server-side-encryption': ServerSideEncryption,
    }),
    ...(SSEKMSKeyId !== undefined && {
      'x-amz-server-side-encryption-aws-kms-key-id': SSEKMSKeyId,
    }),
  };
}

function conditionHeaders({ IfNoneMatch, IfMatch }: Condition): Record<string, string> {
  return {
    ...(IfNoneMatch !== undefined && { 'if-none-match': IfNoneMatch }),
    ...(IfMatch !== undefined && { 'if-match': IfMatch }),
  };
}

/**
 * Undici waits for the answer's headers from the first byte of a body that is sent at once, from the last piece
 * of one that comes in pieces: on a slow line a large body must not count as a dead connection.
 */
function bodyOf(bytes: Uint8Array): Uint8Array | Readable {
  return bytes.length <= pieceBytes ? bytes : Readable.from(pieces(bytes), { objectMode: false });
}

function* pieces(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
  }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const all: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return all;
}

type Headers = Readonly<Record<string, string>>;

async function beginningOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > longestRefusalBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** For addresses that want another signature. */
async function putBySdk(
  client: S3Client,
  { sha256, ...object }: SmallObject & Condition & { readonly Bucket: string },
  abortSignal: AbortSignal,
): Promise<Written> {
  const ChecksumSHA256 = Buffer.from(sha256).toString('base64');
  reached('upload-begun');
  const { ETag } = await client.send(new PutObjectCommand({ ...object, ChecksumSHA256 }), {
    abortSignal,
  });
  return writtenBy(`PUT s3://${object.Bucket}/${object.Key}`, ETag);
}

/** @throws Fault `retriable` where there is no ETag: then it was not S3 that said so */
function writtenBy(what: string, etag: string | undefined): Written {
  if (etag === undefined || etag === '') throw notFromS3(what, 'ETag');
  return { etag: unquoted(etag) };
}
