import { EventEmitter, once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ListMultipartUploadsCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Target } from '../../src/core/objects/target.js';
import { freshBucket } from '../support/sandbox.js';
import { never, noise, readAll, rejection, sha256Hex } from './contents.js';
import type { SeenRequest } from './proxy.js';
import { body, fault, observer, open, openThrough, sandboxCredentials, usageError } from './s3.js';

beforeEach(sandboxCredentials);

const key = 'messages/a.json';
const refusal = new Error('the lease is lost');
const refuse = () => Promise.reject(refusal);

async function found(target: Target): Promise<string> {
  return sha256Hex(await readAll(await target.get(target.urlOf(key), never)));
}

async function uploadsIn(bucket: string): Promise<number> {
  const { Uploads } = await observer().send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads?.length ?? 0;
}

const isComplete = ({ method, url }: SeenRequest) => method === 'POST' && url.includes('uploadId=');

describe('a PUT to S3', () => {
  it('of a new object is one request, which nothing there may meet', async () => {
    const target = await openThrough({});
    await target.put(key, await body('x'), never);
    expect(target.requests.map(({ method }) => method)).toEqual(['PUT']);
    expect(target.requests[0]?.headers['if-none-match']).toBe('*');
    const signed = /SignedHeaders=([^,]+)/.exec(target.requests[0]?.headers.authorization ?? '');
    expect(signed?.[1]?.split(';')).toContain('if-none-match');
  });

  it('of what is there already reads it, of another object replaces the one it has seen', async () => {
    const { bucket } = await freshBucket();
    await (await open({ bucket })).put(key, await body('x'), never);
    const target = await openThrough({}, { bucket });
    await target.put(key, await body('same'), never);
    const before = target.requests.length;
    const { etag } = await target.put(key, await body('same'), never);
    expect(target.requests.slice(before).map(({ method }) => method)).toEqual([
      'PUT',
      'HEAD',
      'GET',
    ]);
    await target.put(key, await body('other'), never);
    expect(target.requests.slice(before + 3).map(({ method }) => method)).toEqual([
      'PUT',
      'HEAD',
      'PUT',
    ]);
    expect(target.requests.at(-1)?.headers['if-match']).toBe(`"${etag}"`);
  });

  it('of what was taken away behind the server, which still knows of it, stands there again', async () => {
    const { bucket, directory } = await freshBucket();
    const target = await open({ bucket, prefix: 'p' });
    await target.put(key, await body('x'), never);
    await rm(join(directory, 'p', key));
    await target.put(key, await body('x'), never);
    expect(await found(target)).toBe(Buffer.from((await body('x')).content.sha256).toString('hex'));
  });

  it.each([
    ['small', 1000],
    ['of 300 KB', 300_000],
    ['of 9 MB', 9_000_000],
  ])('whose body is %s begins, is overtaken, and ends: it is refused', async (_size, bytes) => {
    const { bucket } = await freshBucket();
    const paused = new EventEmitter();
    let half = false;
    const late = await openThrough(
      {
        onBody: async (chunk) => {
          if (half) return chunk;
          half = true;
          const resumed = once(paused, 'resume');
          paused.emit('half');
          await resumed;
          return chunk;
        },
      },
      { bucket, prefix: 'p' },
    );
    const begun = once(paused, 'half');
    const put = rejection(late.put(key, await body(noise(bytes, 'late')), never, refuse));
    await begun;
    const successor = await open({ bucket, prefix: 'p' });
    const theirs = await successor.put(key, await body('successor'), never, refuse);
    paused.emit('resume');
    expect(await put).toBe(refusal);
    expect(await found(successor)).toBe(Buffer.from(theirs.sha256).toString('hex'));
  });

  it.each([
    ['the server has it', true],
    ['the server has half of it', false],
  ])('in parts is overtaken when %s: it is refused, and no part stays', async (_when, whole) => {
    const { bucket } = await freshBucket();
    const successor = await open({ bucket, prefix: 'p' });
    let overtaken = false;
    const late = await openThrough(
      {
        onBody: async (chunk, seen) => {
          const now = whole ? isComplete(seen) : seen.url.includes('partNumber=1');
          if (!now || overtaken) return chunk;
          overtaken = true;
          await successor.put(key, await body('successor'), never, refuse);
          return chunk;
        },
      },
      { bucket, prefix: 'p' },
    );
    const put = late.put(key, await body(noise(20_000_000, 'late')), never, refuse);
    expect(await rejection(put)).toBe(refusal);
    expect((await readAll(await successor.get(successor.urlOf(key), never))).toString()).toBe(
      'successor',
    );
    expect(await uploadsIn(bucket)).toBe(0);
  });

  it.each([
    ['small', 300_000],
    ['large', 9_000_000],
    ['in parts', 20_000_000],
  ])(
    'that is %s and was confirmed to nobody is found again, not repeated',
    async (_size, bytes) => {
      const { bucket } = await freshBucket();
      let lose = true;
      const target = await openThrough(
        {
          loseAnswer: (seen) => {
            const confirming = isComplete(seen) || (bytes < 10_000_000 && seen.method === 'PUT');
            const lost = lose && confirming;
            if (lost) lose = false;
            return lost;
          },
        },
        { bucket, prefix: 'p' },
      );
      const content = await body(noise(bytes, 'lost'));
      const first = await target.put(key, content, never, refuse).catch(async (error: unknown) => {
        expect((await fault(Promise.reject(error as Error))).class).toBe('retriable');
        return undefined;
      });
      expect(lose).toBe(false);
      const parts = target.requests.filter(({ url }) => url.includes('partNumber=')).length;
      const again = await target.put(key, content, never, refuse);
      if (first) expect(again).toEqual(first);
      expect(target.requests.filter(({ url }) => url.includes('partNumber=')).length).toBe(parts);
      expect(await found(target)).toBe(Buffer.from(content.content.sha256).toString('hex'));
      expect(await uploadsIn(bucket)).toBe(0);
    },
  );

  it('does not take damaged bytes for its own, though the server still says what they were', async () => {
    const { bucket, directory } = await freshBucket();
    const target = await open({ bucket, prefix: 'p' });
    const { sha256 } = await target.put(key, await body('sound'), never);
    await writeFile(join(directory, 'p', key), 'soumd');
    expect((await target.stat(target.urlOf(key), never))?.sha256).toEqual(Buffer.from(sha256));
    expect(await rejection(target.put(key, await body('sound'), never, refuse))).toBe(refusal);
    await target.put(key, await body('sound'), never);
    expect(await found(target)).toBe(sha256Hex(Buffer.from('sound')));
  });

  it('knows the same bytes where the server keeps no SHA-256', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: '' });
    const [small, large] = [noise(1000, 'md5'), noise(20_000_000, 'md5')];
    await observer().send(new PutObjectCommand({ Bucket: bucket, Key: 'small', Body: small }));
    const params = { Bucket: bucket, Key: 'large', Body: large };
    await new Upload({ client: observer(), params, partSize: 8 * 1024 * 1024 }).done();
    for (const [name, bytes] of [
      ['small', small],
      ['large', large],
    ] as const) {
      expect((await target.stat(target.urlOf(name), never))?.sha256).toBeUndefined();
      await target.put(name, await body(bytes), never, refuse);
      const others = await body(Buffer.from(bytes).fill(0, 500, 501));
      expect(await rejection(target.put(name, others, never, refuse))).toBe(refusal);
    }
  });

  it('gives up for now where what stands there changes each time it is looked at', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: 'p' });
    const other = await open({ bucket, prefix: 'p' });
    await other.put(key, await body('0'), never);
    let changes = 0;
    const error = await fault(
      target.put(key, await body('mine'), never, async () => {
        changes += 1;
        await other.put(key, await body(String(changes)), never);
      }),
    );
    expect([error.class, error.code]).toEqual(['retriable', 'PreconditionFailed']);
    expect(changes).toBeLessThan(10);
  });

  it('replaces what vanished while it asked', async () => {
    const { bucket } = await freshBucket();
    const target = await open({ bucket, prefix: 'p' });
    await target.put(key, await body('old'), never);
    await target.put(key, await body('new'), never, () => target.delete([key], never));
    expect((await readAll(await target.get(target.urlOf(key), never))).toString()).toBe('new');
  });

  it('names the permission that is missing where it may write but not look', async () => {
    const { bucket } = await freshBucket();
    await (await open({ bucket, prefix: 'p' })).put(key, await body('old'), never);
    const target = await openThrough(
      { answer: ({ method }) => (method === 'HEAD' ? { status: 403 } : undefined) },
      { bucket, prefix: 'p' },
    );
    const error = await usageError(target.put(key, await body('new'), never));
    expect(error.advice).toContain('s3:GetObject');
  });
});

describe('a server without conditional writes', () => {
  const openOld = (bucket: string) =>
    openThrough(
      {
        answer: ({ headers }) =>
          headers['if-none-match'] === undefined && headers['if-match'] === undefined
            ? undefined
            : { status: 501, body: '<Error><Code>NotImplemented</Code></Error>' },
      },
      { bucket, prefix: 'p' },
    );

  it('is told so once, and looked at before each object', async () => {
    const { bucket } = await freshBucket();
    const target = await openOld(bucket);
    await target.put('a.json', await body('a'), never, refuse);
    await target.put('b.json', await body('b'), never, refuse);
    await target.put('b.json', await body('b'), never, refuse);
    expect(target.requests.map(({ method }) => method)).toEqual([
      ...['PUT', 'HEAD', 'PUT'],
      ...['HEAD', 'PUT'],
      ...['HEAD', 'GET'],
    ]);
    expect(await rejection(target.put('b.json', await body('c'), never, refuse))).toBe(refusal);
    await target.put('b.json', await body('c'), never, () => Promise.resolve());
    const read = await readAll(await target.get(target.urlOf('b.json'), never));
    expect(read.toString()).toBe('c');
  });

  it('takes large objects, too', async () => {
    const { bucket } = await freshBucket();
    const target = await openOld(bucket);
    const bytes = noise(12_000_000, 'old');
    await target.put(key, await body(bytes), never, refuse);
    expect(await found(target)).toBe(sha256Hex(bytes));
    expect(await uploadsIn(bucket)).toBe(0);
  });
});

describe('a server that answers 501 to another header', () => {
  const refusing = (header: string) => ({
    status: 501,
    body: `<Error><Code>NotImplemented</Code><Message>Header '${header}' with value 'SHA256' not implemented</Message></Error>`,
  });

  it('takes parts without that checksum, and keeps its conditions', async () => {
    const { bucket } = await freshBucket();
    const header = 'x-amz-checksum-algorithm';
    const target = await openThrough(
      { answer: ({ headers }) => (headers[header] === undefined ? undefined : refusing(header)) },
      { bucket, prefix: 'p' },
    );
    const bytes = noise(12_000_000, 'parts');
    await target.put(key, await body(bytes), never, refuse);
    expect(await found(target)).toBe(sha256Hex(bytes));
    await target.put('messages/b.json', await body(bytes), never, refuse);
    const asking = target.requests.filter(({ headers }) => headers[header] !== undefined);
    expect(asking).toHaveLength(1);
    const completing = target.requests.filter(isComplete);
    expect(completing.map(({ headers }) => headers['if-none-match'])).toEqual(['*', '*']);
    expect(await uploadsIn(bucket)).toBe(0);
  });

  it.each([
    ['in its message', "<Message>Header 'x-amz-checksum-sha256' not implemented</Message>"],
    [
      'by its element',
      '<Message>A header you provided implies functionality that is not implemented</Message><Header>x-amz-checksum-sha256</Header>',
    ],
  ])('named %s is for the user to change, and conditions stay', async (_where, named) => {
    const { bucket } = await freshBucket();
    let refuses = true;
    const target = await openThrough(
      {
        answer: () =>
          refuses
            ? { status: 501, body: `<Error><Code>NotImplemented</Code>${named}</Error>` }
            : undefined,
      },
      { bucket, prefix: 'p' },
    );
    const error = await usageError(target.put(key, await body('x'), never));
    expect(error.message).toContain('x-amz-checksum-sha256');
    expect(target.requests).toHaveLength(1);
    refuses = false;
    await target.put(key, await body('x'), never);
    expect(target.requests.at(-1)?.headers['if-none-match']).toBe('*');
  });
});
