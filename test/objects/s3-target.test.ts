import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCertificates } from '../../sandbox/certificates.js';
import { openTarget } from '../../src/core/objects/open-target.js';
import { partSizeFor } from '../../src/core/objects/s3-multipart.js';
import type { ObjectBody, Target } from '../../src/core/objects/target.js';
import { retrying, type RetryPolicy } from '../../src/core/retry.js';
import { freshBucket, freshPrefix, sandbox } from '../support/sandbox.js';
import {
  inFile,
  never,
  noise,
  readAll,
  rejection,
  temporaryDirectory,
  thisProcess,
} from './contents.js';
import { damagingRelay } from './damaging-relay.js';
import { proxyTo } from './proxy.js';
import { startReadOnlyS3 } from './read-only-s3.js';
import { body, fault, observer, open, openThrough, sandboxCredentials, usageError } from './s3.js';
import { targetContract } from './target-contract.js';

const owner = { databaseId: randomUUID() };

beforeEach(sandboxCredentials);

async function uploadsIn(bucket: string): Promise<string[]> {
  const { Uploads } = await observer().send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return (Uploads ?? []).map(({ Key }) => Key ?? '');
}

async function keysIn(bucket: string): Promise<string[]> {
  const { Contents } = await observer().send(new ListObjectsV2Command({ Bucket: bucket }));
  return (Contents ?? []).map(({ Key }) => Key ?? '');
}

describe('a bucket as target', () => {
  targetContract(async () => {
    const { bucket, directory } = await freshBucket();
    return {
      style: 's3',
      directory: join(directory, 'some/prefix'),
      open: () => open({ bucket, prefix: 'some/prefix' }),
      leftovers: () => uploadsIn(bucket),
    };
  });

  it('stores objects as files whose bytes anybody can compare', async () => {
    const { bucket, directory } = await freshBucket();
    const target = await open({ bucket, prefix: 'p' });
    const bytes = noise(20_000_000, 'on disk');
    const content = await inFile(bytes);
    await target.put('messages/large.json', { content, contentType: 'application/json' }, never);
    expect(bytes.equals(await readFile(join(directory, 'p/messages/large.json')))).toBe(true);
  });

  it('works at the root of a bucket', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    await target.claimPrefix(owner, never);
    const { url } = await target.put('messages/a.json', await body('x'), never);
    expect(url).toBe(`s3://${bucket}/messages/a.json`);
    expect(await keysIn(bucket)).toEqual(['_es-migrate.json', 'messages/a.json']);
  });

  it('reads an object of another prefix by its URL, if it is told to', async () => {
    const { url } = await (await open()).put('messages/a.json', await body('x'), never);
    const other = await open();
    const read = await other.get(url, never, undefined, { anywhere: true });
    expect((await readAll(read)).toString()).toBe('x');
    for (const request of [() => other.get(url, never), () => other.stat(url, never)]) {
      const { message } = await usageError(request());
      expect(message).toBe(`${url} lies outside the target ${other.urlOf('')}`.slice(0, -1));
    }
  });

  it.each([
    ['a small object', 1000],
    ['a large object', 12_000_000],
  ])('stores %s with its content type and no encoding', async (_size, bytes) => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    const key = 'batches/job-000001/batch-0000000001-0001.ndjson.gz';
    await target.put(key, await body(noise(bytes, 'gz'), 'application/gzip'), never);
    const head = await observer().send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
    expect(head.ContentType).toBe('application/gzip');
    expect(head.ContentEncoding).toBeUndefined();
    expect(head.ContentLength).toBe(bytes);
  });

  it('sends a small object as one request, with the checksum of its bytes', async () => {
    const target = await openThrough({});
    const stored = await target.put('messages/a.json', await body('x'), never);
    expect(target.requests.map(({ method }) => method)).toEqual(['PUT']);
    expect(target.requests[0]?.headers['x-amz-checksum-sha256']).toBe(
      Buffer.from(stored.sha256).toString('base64'),
    );
  });

  it('sends a large object in parts, each with a checksum, and looks at what stands there', async () => {
    const target = await openThrough({});
    await target.put('messages/a.json', await body(noise(20_000_000, 'parts')), never);
    const parts = target.requests.filter(({ url }) => url.includes('partNumber='));
    expect(parts).toHaveLength(3);
    for (const part of parts) expect(part.headers['x-amz-checksum-sha256']).toMatch(/=$/);
    expect(target.requests.at(-1)?.method).toBe('HEAD');
  });

  it('makes parts large enough for any object, in whole MiB', () => {
    const mebibyte = 1024 * 1024;
    expect(partSizeFor(10_000_001)).toBe(8 * mebibyte);
    for (const bytes of [8 * mebibyte * 10_000, 8 * mebibyte * 10_000 + 1, 5 * 1024 ** 4]) {
      expect(partSizeFor(bytes) % mebibyte).toBe(0);
      expect(Math.ceil(bytes / partSizeFor(bytes))).toBeLessThanOrEqual(10_000);
    }
  });

  it('refuses to read from a directory', async () => {
    const target = await open();
    const error = await usageError(target.get('file:///srv/messages/a.json', never));
    expect(error.message).toContain('file:///srv/messages/a.json');
  });
});

describe('an upload to S3', () => {
  it('whose body is damaged on the way is refused, and can be tried again', async () => {
    let damage = true;
    const { bucket } = await freshBucket();
    const target = await openThrough(
      {
        onBody: (chunk) => {
          if (!damage) return chunk;
          const damaged = Buffer.from(chunk);
          damaged.writeUInt8(damaged.readUInt8(0) ^ 1, 0);
          return damaged;
        },
      },
      { bucket, prefix: '' },
    );
    for (const size of [1000, 12_000_000]) {
      damage = true;
      const damaged = target.put('messages/a.json', await body(noise(size, 'damage')), never);
      const { class: kind, code } = await fault(damaged);
      expect(kind).toBe('retriable');
      expect(code).toMatch(/BadDigest|XAmzContentSHA256Mismatch|XAmzContentChecksumMismatch/);
      expect(await keysIn(bucket)).toEqual([]);
      expect(await uploadsIn(bucket)).toEqual([]);
    }
    damage = false;
    const bytes = noise(1000, 'damage');
    const { url } = await target.put('messages/a.json', await body(bytes), never);
    expect(await readAll(await target.get(url, never))).toEqual(bytes);
  });

  it('aborted while a part is under way leaves neither parts nor an object', async () => {
    const reason = new Error('stopped');
    const stop = new AbortController();
    const { bucket } = await freshBucket();
    const target = await openThrough(
      {
        onBody: (chunk, { url }) => {
          if (url.includes('partNumber=2')) stop.abort(reason);
          return chunk;
        },
      },
      { bucket, prefix: '' },
    );
    const large = await body(noise(30_000_000, 'abort'));
    expect(await rejection(target.put('messages/a.json', large, stop.signal))).toBe(reason);
    expect(await uploadsIn(bucket)).toEqual([]);
    expect(await keysIn(bucket)).toEqual([]);
  });

  it('whose last part fails leaves neither parts nor an object', async () => {
    const { bucket } = await freshBucket();
    const target = await openThrough(
      { answer: ({ url }) => (url.includes('partNumber=3') ? { status: 503 } : undefined) },
      { bucket, prefix: '' },
    );
    const large = await body(noise(20_000_000, 'last'));
    const { class: kind } = await fault(target.put('messages/a.json', large, never));
    expect(kind).toBe('retriable');
    expect(await uploadsIn(bucket)).toEqual([]);
    expect(await keysIn(bucket)).toEqual([]);
  });

  it.each([
    ['in the middle of a small object', 300_000, 'messages/a.json'],
    ['in the middle of a large object', 9_000_000, 'messages/a.json'],
    ['in the second part', 20_000_000, 'partNumber=2'],
  ])('whose body is damaged %s is right after another try', async (_where, size, place) => {
    const { bucket } = await freshBucket();
    let seenBytes = 0;
    let damaged = false;
    const target = await openThrough(
      {
        onBody: (chunk, { url }) => {
          if (!url.includes(place) || damaged) return chunk;
          seenBytes += chunk.length;
          if (seenBytes < Math.min(size, 8_000_000) / 2) return chunk;
          damaged = true;
          const changed = Buffer.from(chunk);
          changed.writeUInt8(changed.readUInt8(0) ^ 1, 0);
          return changed;
        },
      },
      { bucket, prefix: '' },
    );
    const bytes = noise(size, 'flip');
    const content = await body(bytes);
    const faults: string[] = [];
    const policy: RetryPolicy = {
      retryForMs: 30_000,
      report: (event) => {
        if (event.type === 'log') faults.push(event.message);
      },
    };
    const put = () => target.put('messages/a.json', content, never);
    const { url } = await retrying(policy, put, { signal: never });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/BadDigest|ContentSHA256Mismatch|ContentChecksumMismatch/);
    expect((await readAll(await target.get(url, never))).equals(bytes)).toBe(true);
    expect(await uploadsIn(bucket)).toEqual([]);
  });

  it('whose connection is cut while its parts are put together leaves none, and can be tried again', async () => {
    const { bucket } = await freshBucket();
    let cut = false;
    const target = await openThrough(
      {
        onBody: (chunk, { method, url }) => {
          if (cut || method !== 'POST' || !url.includes('uploadId=')) return chunk;
          cut = true;
          target.cut();
          return chunk.subarray(0, 0);
        },
      },
      { bucket, prefix: '' },
    );
    const large = await body(noise(20_000_000, 'complete'));
    expect((await fault(target.put('messages/a.json', large, never))).class).toBe('retriable');
    expect(cut).toBe(true);
    expect(await uploadsIn(bucket)).toEqual([]);
    expect(await keysIn(bucket)).toEqual([]);
    expect((await target.put('messages/a.json', large, never)).bytes).toBe(20_000_000);
    expect(await uploadsIn(bucket)).toEqual([]);
  });

  it('removes its parts also where that fails at first, and says what had failed', async () => {
    const { bucket } = await freshBucket();
    let removals = 0;
    const target = await openThrough(
      {
        answer: ({ method, url }) => {
          if (url.includes('partNumber=3')) return { status: 507 };
          if (method !== 'DELETE' || !url.includes('uploadId=')) return undefined;
          removals += 1;
          return removals < 3 ? { status: 500 } : undefined;
        },
      },
      { bucket, prefix: '' },
    );
    const large = await body(noise(20_000_000, 'removal'));
    const { message } = await fault(target.put('messages/a.json', large, never));
    expect(message).toContain('507');
    expect(removals).toBe(3);
    expect(await uploadsIn(bucket)).toEqual([]);
  });

  it('from a staging file that was damaged is never completed', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    const content = await inFile(noise(20_000_000, 'staged'));
    const sha256 = Buffer.alloc(32);
    const damaged: ObjectBody = {
      content: { ...content, sha256 },
      contentType: 'application/json',
    };
    await expect(target.put('messages/a.json', damaged, never)).rejects.toThrow(/damaged/);
    expect(await uploadsIn(bucket)).toEqual([]);
    expect(await keysIn(bucket)).toEqual([]);
  });

  it('that waits for an answer ends with its signal', async () => {
    const reason = new Error('stopped');
    const stop = new AbortController();
    const target = await openThrough({
      onBody: (chunk) => {
        stop.abort(reason);
        return chunk.subarray(0, 0);
      },
    });
    const small = await body('never arrives');
    expect(await rejection(target.put('messages/a.json', small, stop.signal))).toBe(reason);
  });

  it.each([
    ['SSE-S3', { type: 'sse-s3' }, { 'x-amz-server-side-encryption': 'AES256' }],
    ['SSE-KMS', { type: 'sse-kms' }, { 'x-amz-server-side-encryption': 'aws:kms' }],
    [
      'SSE-KMS with a key',
      { type: 'sse-kms', keyId: 'alias/messages' },
      {
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'alias/messages',
      },
    ],
  ] as const)(
    'asks for %s, for marker, objects and parts alike',
    async (_n, encryption, headers) => {
      const target = await openThrough({}, { encryption });
      await target.claimPrefix(owner, never).catch(() => undefined);
      await target.put('messages/a.json', await body('x'), never).catch(() => undefined);
      const large = await body(noise(11_000_000, 'sse'));
      await target.put('messages/b.json', large, never).catch(() => undefined);
      const asking = target.requests.filter(
        ({ method, url }) =>
          (method === 'PUT' && !url.includes('partNumber')) || url.includes('?uploads'),
      );
      expect(asking.map(({ url }) => /_es-migrate|messages.[ab]/.exec(url)?.[0])).toEqual([
        '_es-migrate',
        // Once more, to see whether the store heeds conditions.
        '_es-migrate',
        'messages/a',
        'messages/b',
      ]);
      for (const request of asking) expect(request.headers).toMatchObject(headers);
    },
  );
});

describe('claiming a prefix in S3 says', () => {
  it('reads no marker that is longer than any', async () => {
    const { bucket } = await freshBucket();
    const Body = `{"format":1,"x":"${'x'.repeat(100_000)}"}`;
    await observer().send(
      new PutObjectCommand({ Bucket: bucket, Key: 'p/_es-migrate.json', Body }),
    );
    const error = await usageError((await open({ bucket, prefix: 'p' })).claimPrefix(owner, never));
    expect(error.message).toContain('is not a marker of es-migrate');
  });

  it('that the bucket does not exist', async () => {
    const bucket = `missing-${freshPrefix()}`;
    const error = await usageError((await open({ bucket })).claimPrefix(owner, never));
    expect(error.message).toBe(`The bucket ${bucket} does not exist (NoSuchBucket)`);
  });

  it.each([
    ['AWS_ACCESS_KEY_ID', 'AKWRONGWRONGWRONG', /InvalidAccessKeyId|XAdminUserNotFound/],
    ['AWS_SECRET_ACCESS_KEY', 'a-wrong-secret', /SignatureDoesNotMatch/],
  ])('that %s is wrong', async (name, value, code) => {
    vi.stubEnv(name, value);
    const target = await open();
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('S3 refused the credentials');
    expect(error.message).toMatch(code);
    expect(error.message).not.toContain(value);
    // Later, too, no retry would help.
    await usageError(target.put('messages/a.json', await body('x'), never));
  });

  it('that there are no credentials', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    const error = await usageError((await open()).claimPrefix(owner, never));
    expect(error.message).toContain('No AWS credentials were found');
  });

  it('that no region is known', async () => {
    const { endpoint, bucket } = sandbox().s3;
    const target = await openTarget(
      {
        kind: 's3',
        layout: 'message',
        prefix: freshPrefix(),
        forcePathStyle: true,
        insecure: false,
        ...{ endpoint, bucket },
      },
      thisProcess,
    );
    onTestFinished(() => target.close());
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('No region is known');
    expect(error.advice).toContain('target.region');
  });

  it('that the bucket is read-only, claimed before or not', async () => {
    const readOnly = await startReadOnlyS3();
    onTestFinished(() => readOnly.stop());
    vi.stubEnv('AWS_ACCESS_KEY_ID', readOnly.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', readOnly.secretAccessKey);
    const { endpoint, bucket, directory } = readOnly;
    const target = await open({ endpoint, bucket, prefix: 'p' });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toMatch(/^S3 denied .*\(AccessDenied\)$/);
    expect(error.advice).toContain('s3:PutObject');
    expect(await readdir(directory)).toEqual([]);

    await mkdir(join(directory, 'p'));
    await readOnly.write(
      'p/_es-migrate.json',
      JSON.stringify({ format: 1, trackingDatabase: owner.databaseId }),
    );
    const again = await usageError(target.claimPrefix(owner, never));
    expect(again.message).toMatch(/^S3 denied .*\(AccessDenied\)$/);
  });

  it('which region the bucket is in', async () => {
    const target = await openThrough({
      answer: () => ({
        status: 301,
        headers: { 'x-amz-bucket-region': 'eu-west-1', 'content-type': 'application/xml' },
        body: '<Error><Code>PermanentRedirect</Code><Message>Use another endpoint</Message></Error>',
      }),
    });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('is in another region, eu-west-1');
    expect(error.advice).toBe('Set target.region to eu-west-1.');
  });

  it('that the endpoint is no S3', async () => {
    const target = await openThrough({
      answer: () => ({ status: 404, body: '<html><body>Not here</body></html>' }),
    });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('404');
    expect(error.advice).toContain('target.endpoint');
  });

  it('that the store does not take the header every document comes with', async () => {
    const target = await openThrough({
      answer: ({ headers }) =>
        headers['x-amz-checksum-sha256'] === undefined
          ? undefined
          : { status: 400, body: '<Error><Code>ExcessHeaderValues</Code></Error>' },
    });
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('ExcessHeaderValues');
    expect(error.advice).toContain('x-amz-checksum-sha256');
    expect(await target.stat(target.urlOf('_es-migrate.json'), never)).toBeUndefined();
  });

  it('nothing where the server knows no conditional writes: it compares afterwards', async () => {
    const target = await openThrough({
      answer: ({ headers }) =>
        headers['if-none-match'] === undefined
          ? undefined
          : { status: 501, body: '<Error><Code>NotImplemented</Code></Error>' },
    });
    await target.claimPrefix(owner, never);
    const error = await usageError(target.claimPrefix({ databaseId: randomUUID() }, never));
    expect(error.message).toContain(owner.databaseId);
  });
});

describe('a clock that is 20 minutes off', () => {
  const requests = [
    ['claiming the prefix', (target: Target) => target.claimPrefix(owner, never)],
    ['a small object', async (target: Target) => target.put('a', await body('x'), never)],
    [
      'a large object',
      async (target: Target) => target.put('a', await body(noise(11_000_000, 'clock')), never),
    ],
    ['a listing', (target: Target) => target.list(undefined, never)],
    ['a deletion', (target: Target) => target.delete(['a'], never)],
    ['reading', (target: Target) => target.get(target.urlOf('none'), never)],
    ['looking', (target: Target) => target.stat(target.urlOf('none'), never)],
    ['uploads', (target: Target) => target.unfinished(never)],
  ] as const;

  it.each(
    requests.flatMap(([name, request]) =>
      [-20, 20].map((minutes) => [minutes, name, request] as const),
    ),
  )('by %d costs one refusal: the first request is %s', async (minutes, _name, request) => {
    const target = await open({ bucket: (await freshBucket()).bucket });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + minutes * 60_000 });
    onTestFinished(() => void vi.useRealTimers());
    const error = await fault(request(target));
    expect(error.class).toBe('retriable');
    expect(error.message).toContain(`clock is 20 min ${minutes > 0 ? 'fast' : 'slow'}`);
    await request(target);
    await target.put('b', await body('x'), never);
  });

  it('is for the user to set where the server refuses it still', async () => {
    const target = await openThrough({
      answer: () => ({
        status: 403,
        headers: { date: new Date(Date.now() + 3_600_000).toUTCString() },
        body: '<Error><Code>RequestTimeTooSkewed</Code></Error>',
      }),
    });
    expect((await fault(target.claimPrefix(owner, never))).class).toBe('retriable');
    const error = await usageError(target.claimPrefix(owner, never));
    expect(error.message).toContain('clock is off');
  });
});

describe('a failed request to S3', () => {
  const answering = (status: number, code: string, headers: Record<string, string> = {}) =>
    openThrough({
      answer: () => ({
        status,
        headers: { 'content-type': 'application/xml', ...headers },
        body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Said\nso.</Message></Error>`,
      }),
    });

  it.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [400, 'RequestTimeout'],
    [400, 'ExpiredToken'],
    [400, 'BadDigest'],
    [429, 'TooManyRequests'],
    [409, 'OperationAborted'],
    [409, 'ConditionalRequestConflict'],
    [502, 'SomethingNew'],
  ])('%d %s can be tried again', async (status, code) => {
    const target = await answering(status, code);
    const error = await fault(target.put('messages/a.json', await body('x'), never));
    expect(error.class).toBe('retriable');
    expect(error.code).toBe(code);
    expect(error.message).toContain(`S3 answered ${status} ${code}: Said so.`);
    expect(target.requests).toHaveLength(1);
  });

  it.each([
    [400, 'EntityTooLarge'],
    [400, 'KeyTooLongError'],
    [400, 'InvalidArgument'],
  ])('%d %s concerns this object alone', async (status, code) => {
    const target = await answering(status, code);
    const error = await fault(target.put('messages/a.json', await body('x'), never));
    expect([error.class, error.code]).toEqual(['request', code]);
  });

  it.each([
    [403, 'AccessDenied', /denied PUT s3:/],
    [403, 'RequestTimeTooSkewed', /clock is off/],
    [404, 'NoSuchBucket', /does not exist/],
    [400, 'KMS.DisabledException', /denied PUT s3:/],
  ])('%d %s is for the user to change', async (status, code, message) => {
    const target = await answering(status, code);
    const error = await usageError(target.put('messages/a.json', await body('x'), never));
    expect(error.message).toMatch(message);
    expect(error.message).toContain(code);
  });

  it('says how long to wait', async () => {
    const target = await answering(503, 'SlowDown', { 'retry-after': '7' });
    const error = await fault(target.put('messages/a.json', await body('x'), never));
    expect(error.retryAfterMs).toBe(7000);
  });

  it('without a body has its status as code', async () => {
    const target = await openThrough({ answer: () => ({ status: 504 }) });
    const error = await fault(target.put('messages/a.json', await body('x'), never));
    expect([error.class, error.message.includes('504')]).toEqual(['retriable', true]);
  });

  it.each([
    ['http://127.0.0.1:1', 'ECONNREFUSED'],
    ['https://nowhere.invalid', /ENOTFOUND|EAI_AGAIN/],
  ])('to %s can be tried again', async (endpoint, code) => {
    const target = await open({ endpoint });
    for (const request of [
      async () => target.put('messages/a.json', await body('x'), never),
      () => target.claimPrefix(owner, never),
      () => target.get(target.urlOf('messages/a.json'), never),
    ]) {
      const error = await fault(request());
      expect(error.class).toBe('retriable');
      expect(error.code).toMatch(code);
    }
  });

  it('that loses its connection while reading can be tried again', async () => {
    const prefix = freshPrefix();
    const large = await body(noise(9_000_000, 'r'));
    const { url } = await (await open({ prefix })).put('a.json', large, never);
    const { endpoint, cut } = await proxyTo(sandbox().s3.endpoint);
    const chunks = await (await open({ endpoint, prefix })).get(url, never);
    if (!chunks) throw new Error('there is no such object');
    const error = await fault(
      (async () => {
        for await (const chunk of chunks) if (chunk.length > 0) cut();
      })(),
    );
    expect(error.class).toBe('retriable');
  });
});

describe('TLS to S3', () => {
  it('trusts the given authority alone, unless told otherwise', async () => {
    const directory = await temporaryDirectory();
    const [ours, theirs] = await Promise.all([
      createCertificates(join(directory, 'ours')),
      createCertificates(join(directory, 'theirs')),
    ]);
    const tls = {
      key: await readFile(ours.keyFile, 'utf8'),
      cert: await readFile(ours.certFile, 'utf8'),
    };
    const { endpoint } = await proxyTo(sandbox().s3.endpoint, { tls });

    await (await open({ endpoint, caFile: ours.caFile })).claimPrefix(owner, never);
    await (await open({ endpoint, insecure: true })).claimPrefix(owner, never);
    for (const changes of [{}, { caFile: theirs.caFile }]) {
      const error = await usageError(
        (await open({ endpoint, ...changes })).claimPrefix(owner, never),
      );
      expect(error.message).toContain('The TLS connection to S3 failed');
      expect(error.advice).toContain('target.caFile');
    }
  });

  it('is lost to a record that was damaged on the way: that can be tried again', async () => {
    const { keyFile, certFile, caFile } = await createCertificates(await temporaryDirectory());
    const tls = { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8') };
    const relay = await damagingRelay((await proxyTo(sandbox().s3.endpoint, { tls })).endpoint);
    const target = await open({ endpoint: `https://127.0.0.1:${relay.port}`, caFile });
    const { url } = await target.put('a.json', await body('x'), never);
    await target.stat(url, never);
    relay.damage();
    for (const request of [
      async () => target.put('b.json', await body('x'), never),
      () => target.stat(url, never),
    ]) {
      const error = await fault(request());
      expect(error.class).toBe('retriable');
      // Which of the two depends on whether it was met reading or writing.
      expect(error.code).toMatch(/^(EPROTO|ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC)$/);
    }
  });

  it('names a caFile that cannot be read', async () => {
    const error = await usageError(open({ caFile: '/nonexistent/ca.pem' }));
    expect(error.message).toContain('/nonexistent/ca.pem');
  });

  it('says so when the endpoint speaks no TLS', async () => {
    const endpoint = sandbox().s3.endpoint.replace('http:', 'https:');
    const error = await usageError((await open({ endpoint })).claimPrefix(owner, never));
    expect(error.advice).toContain('target.endpoint');
  });
});
