import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createCertificates } from '../../sandbox/certificates.js';
import { addressOf, pathOf } from '../../src/core/objects/s3-address.js';
import { openS3Client } from '../../src/core/objects/s3-client.js';
import type { S3TargetSettings } from '../../src/core/settings.js';
import { tlsOptions } from '../../src/core/tls.js';
import { freshBucket, sandbox } from '../support/sandbox.js';
import { never, noise, temporaryDirectory } from './contents.js';
import { proxyTo } from './proxy.js';
import { body, fault, observer, open, openThrough, sandboxCredentials, usageError } from './s3.js';

beforeEach(sandboxCredentials);

const ascii = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).join('');
const hostile = [
  'messages/100%25.json',
  'messages/%2F%2525%.json',
  'a b+c',
  "!'()*",
  '~-_.',
  '?versionId=x#y&z=;:@,$=',
  '"<>[]{}|\\^`',
  'é😀e\u0301',
  'tab\tand\nline',
  ascii.replaceAll('/', ''),
];

function clientOf(changes: Partial<S3TargetSettings>) {
  const settings: S3TargetSettings = {
    kind: 's3',
    layout: 'message',
    bucket: 'a-bucket',
    prefix: '',
    region: 'eu-west-1',
    forcePathStyle: false,
    insecure: false,
    ...changes,
  };
  const client = openS3Client(settings, tlsOptions());
  onTestFinished(() => client.destroy());
  return { client, bucket: settings.bucket };
}

describe('the address of an object', () => {
  it.each<[string, Partial<S3TargetSettings>, string | undefined]>([
    ['AWS', {}, 'https://a-bucket.s3.eu-west-1.amazonaws.com/'],
    ['AWS in China', { region: 'cn-north-1' }, 'https://a-bucket.s3.cn-north-1.amazonaws.com.cn/'],
    ['a bucket with dots', { bucket: 'a.b' }, 'https://s3.eu-west-1.amazonaws.com/a.b/'],
    ['path style', { forcePathStyle: true }, 'https://s3.eu-west-1.amazonaws.com/a-bucket/'],
    [
      'an endpoint',
      { endpoint: 'http://s3.example:9000', insecure: true },
      'http://a-bucket.s3.example:9000/',
    ],
    [
      'an endpoint with a path',
      { endpoint: 'https://s3.example/some/path/', forcePathStyle: true },
      'https://s3.example/some/path/a-bucket/',
    ],
    [
      'a default port',
      { endpoint: 'http://s3.example:80', insecure: true },
      'http://a-bucket.s3.example/',
    ],
    ['an IP address', { endpoint: 'http://127.0.0.1:9' }, 'http://127.0.0.1:9/a-bucket/'],
  ])('of %s is what the SDK would ask for', async (_name, changes, expected) => {
    const { client, bucket } = clientOf(changes);
    const address = await addressOf(client, bucket);
    if (!address) throw new Error('there is no address');
    expect(address.origin + address.basePath).toBe(expected);
    for (const Key of [...hostile, 'a//b/c']) {
      const asked: string[] = [];
      // Stops the SDK where it would send, its request being complete.
      client.middlewareStack.add(
        () => (args) => {
          const { protocol, headers, path } = args.request as SdkRequest;
          asked.push(`${protocol}//${headers['host'] ?? ''}`, path);
          return Promise.reject(new Error('stopped'));
        },
        { step: 'finalizeRequest', priority: 'low', name: 'stop', override: true },
      );
      const command = new PutObjectCommand({ Bucket: bucket, Key, Body: 'x' });
      await client.send(command).catch(() => undefined);
      const { origin, host } = address;
      const scheme = origin.slice(0, origin.indexOf('//'));
      expect([`${scheme}//${host}`, pathOf(address, Key)]).toEqual(asked);
    }
  });

  it('is taken from the environment like the SDK does', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://elsewhere.example:9000');
    const { client, bucket } = clientOf({ forcePathStyle: true });
    expect((await addressOf(client, bucket))?.origin).toBe('http://elsewhere.example:9000');
  });

  it('is left to the SDK where another signature is wanted', async () => {
    const { client, bucket } = clientOf({ bucket: 'a-bucket--usw2-az1--x-s3' });
    expect(await addressOf(client, bucket)).toBeUndefined();
  });
});

interface SdkRequest {
  readonly protocol: string;
  readonly headers: Record<string, string>;
  readonly path: string;
}

describe('a small object in S3', () => {
  it('lies under its key, whatever is in it', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: 'a prefix/50%' });
    for (const key of hostile) {
      const { url } = await target.put(key, await body(key), never);
      const Key = `a prefix/50%/${key}`;
      expect(url).toBe(`s3://${bucket}/${Key}`);
      const { Body } = await observer().send(new GetObjectCommand({ Bucket: bucket, Key }));
      expect(await Body?.transformToString('utf8')).toBe(key);
    }
  });

  it('is kept with its checksum', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    const { sha256 } = await target.put('a.json', await body('x'), never);
    const head = await observer().send(
      new HeadObjectCommand({ Bucket: bucket, Key: 'a.json', ChecksumMode: 'ENABLED' }),
    );
    expect(head.ChecksumSHA256).toBe(Buffer.from(sha256).toString('base64'));
  });

  it.each([0, 1, 262_144, 262_145, 9_999_999])('of %d bytes lands whole', async (bytes) => {
    const { bucket, directory } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    const content = noise(bytes, 'whole');
    await target.put('a.json', await body(content), never);
    expect(content.equals(await readFile(join(directory, 'a.json')))).toBe(true);
  });

  it.each([1000, 5_000_000])('of %d bytes is refused when it was damaged', async (bytes) => {
    const { bucket } = await freshBucket();
    const target = await openThrough(
      { onBody: (chunk) => Buffer.from(chunk.map((byte) => byte ^ 1)) },
      { bucket, prefix: '' },
    );
    const put = target.put('a.json', await body(noise(bytes, 'damage')), never);
    expect((await fault(put)).class).toBe('retriable');
    expect(await target.get(target.urlOf('a.json'), never)).toBeUndefined();
  });

  it.each([1000, 5_000_000])(
    'of %d bytes whose connection is cut can be tried again',
    async (n) => {
      const { bucket } = await freshBucket();
      let cutting = true;
      const target = await openThrough(
        {
          onBody: (chunk) => {
            if (!cutting) return chunk;
            target.cut();
            return chunk.subarray(0, 0);
          },
        },
        { bucket, prefix: '' },
      );
      const content = noise(n, 'cut');
      const error = await fault(target.put('a.json', await body(content), never));
      expect(error.class).toBe('retriable');
      expect(error.code).toMatch(/^(ECONNRESET|EPIPE)$/);
      const { KeyCount } = await observer().send(new ListObjectsV2Command({ Bucket: bucket }));
      expect(KeyCount).toBe(0);
      cutting = false;
      expect((await target.put('a.json', await body(content), never)).bytes).toBe(n);
    },
  );

  it('signs what it sends: session token, encryption, checksums, type', async () => {
    vi.stubEnv('AWS_SESSION_TOKEN', 'a-session-token');
    const target = await openThrough(
      { answer: () => ({ status: 200, headers: { etag: '"x"' } }) },
      { encryption: { type: 'sse-kms', keyId: 'alias/messages' } },
    );
    const { sha256 } = await target.put('a.json', await body('x'), never);
    const headers = target.requests[0]?.headers ?? {};
    const sent = {
      'content-length': '1',
      'content-type': 'application/json',
      'x-amz-checksum-sha256': Buffer.from(sha256).toString('base64'),
      'x-amz-content-sha256': Buffer.from(sha256).toString('hex'),
      'x-amz-security-token': 'a-session-token',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'alias/messages',
    };
    expect(headers).toMatchObject(sent);
    const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1]?.split(';');
    expect(signed).toEqual(expect.arrayContaining(['host', 'x-amz-date', ...Object.keys(sent)]));
  });

  it('is signed by the clock of the server', async () => {
    const date = new Date(Date.now() + 3_600_000);
    const target = await openThrough({
      answer: () => ({ status: 200, headers: { etag: '"x"', date: date.toUTCString() } }),
    });
    await target.put('a.json', await body('x'), never);
    await target.put('a.json', await body('x'), never);
    const [first, second] = target.requests.map(({ headers }) => String(headers['x-amz-date']));
    const hour = (text = '') => text.slice(0, 11);
    const iso = (moment: Date) => moment.toISOString().replace(/[-:]/g, '');
    expect(hour(first)).not.toBe(hour(second));
    expect([hour(iso(date)), hour(iso(new Date(date.getTime() + 60_000)))]).toContain(hour(second));
  });
});

describe('a small object that S3 refuses', () => {
  const refused = async (status: number, text: string, headers: Record<string, string> = {}) =>
    (await openThrough({ answer: () => ({ status, headers, body: text }) })).put(
      'a.json',
      await body('x'),
      never,
    );

  it('says why, in one line, with references resolved', async () => {
    const error = await fault(
      refused(
        400,
        '<?xml version="1.0"?>\n<Error>\n <Code>InvalidArgument</Code>\n' +
          '<Message>a &lt;b&gt; &amp;amp; &quot;c&apos; &#233; &#x1F600;\nd</Message></Error>',
      ),
    );
    expect([error.class, error.code]).toEqual(['request', 'InvalidArgument']);
    expect(error.message).toContain('InvalidArgument: a <b> &amp; "c\' é 😀 d');
  });

  it.each([
    ['a header', { 'x-amz-bucket-region': 'eu-west-1' }, 301, 'PermanentRedirect'],
    ['the answer', {}, 400, 'AuthorizationHeaderMalformed'],
  ])('names the region in %s', async (_where, headers, status, code) => {
    const region = status === 400 ? '<Region>eu-west-1</Region>' : '';
    const error = await usageError(
      refused(status, `<Error><Code>${code}</Code>${region}</Error>`, headers),
    );
    expect(error.advice).toBe('Set target.region to eu-west-1.');
  });

  it('has its status as code where a stranger answers, however much', async () => {
    const page = `<html><h1>Bad gateway</h1>${'<p>x</p>'.repeat(1_000_000)}</html>`;
    const error = await fault(refused(502, page));
    expect([error.class, error.code]).toEqual(['retriable', 'HTTP 502']);
    expect(error.message.length).toBeLessThan(500);
  });
});

describe('TLS of a small object', () => {
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
    for (const changes of [{ caFile: ours.caFile }, { insecure: true }]) {
      const target = await open({ endpoint, ...changes });
      expect((await target.put('a.json', await body('x'), never)).bytes).toBe(1);
    }
    for (const changes of [{}, { caFile: theirs.caFile }]) {
      const target = await open({ endpoint, ...changes });
      const error = await usageError(target.put('a.json', await body('x'), never));
      expect(error.message).toContain('The TLS connection to S3 failed');
    }
  });

  it('is missed where the endpoint speaks none', async () => {
    const endpoint = sandbox().s3.endpoint.replace('http:', 'https:');
    const error = await usageError(
      (await open({ endpoint })).put('a.json', await body('x'), never),
    );
    expect(error.advice).toContain('target.endpoint');
  });
});
