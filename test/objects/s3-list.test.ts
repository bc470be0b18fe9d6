import {
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, it } from 'vitest';
import { freshBucket } from '../support/sandbox.js';
import { never, noise } from './contents.js';
import { body, fault, observer, open, openThrough, sandboxCredentials, usageError } from './s3.js';

beforeEach(sandboxCredentials);

const xml = (status: number, text: string) => ({
  status,
  headers: { 'content-type': 'application/xml' },
  body: `<?xml version="1.0" encoding="UTF-8"?>${text}`,
});
const refusing = (status: number, code: string) =>
  openThrough({
    answer: () => xml(status, `<Error><Code>${code}</Code><Message>No.</Message></Error>`),
  });

describe('listing a prefix in S3', () => {
  it('keeps to it, also where another begins the same, and at the root', async () => {
    const { bucket } = await freshBucket();
    for (const Key of ['a/1', 'a/2', 'ab/1', 'a.b', 'z']) {
      await observer().send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }));
    }
    const keys = async (prefix: string) =>
      (await (await open({ bucket, prefix })).list(undefined, never)).objects.map(({ key }) => key);
    expect(await keys('a')).toEqual(['1', '2']);
    expect(await keys('ab')).toEqual(['1']);
    expect(await keys('')).toEqual(['a.b', 'a/1', 'a/2', 'ab/1', 'z']);
    expect(await keys('b')).toEqual([]);
  });

  it('reads keys as the server says it has encoded them', async () => {
    const contents = (key: string) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;
    const encoded = ['p/%01%25', 'p/a+b', 'p/%F0%9F%98%80', 'p/100%'];
    const list = (encoding: string) => {
      const keys = (encoding === '' ? encoded.toSorted() : encoded).map(contents).join('');
      return `<ListBucketResult><IsTruncated>false</IsTruncated>${encoding}${keys}</ListBucketResult>`;
    };
    const listed = async (encoding: string) => {
      const target = await openThrough({ answer: () => xml(200, list(encoding)) }, { prefix: 'p' });
      const { objects } = await target.list('\0 y', never);
      const query = new URL(target.requests[0]?.url ?? '', 'http://s3').searchParams;
      expect(query.get('start-after')).toBe('p/\0 y');
      expect(query.get('encoding-type')).toBe('url');
      return objects.map(({ key }) => key);
    };
    expect(await listed('<EncodingType>url</EncodingType>')).toEqual([
      '\x01%',
      'a b',
      '😀',
      '100%',
    ]);
    expect(await listed('')).toEqual(['%01%25', '%F0%9F%98%80', '100%', 'a+b']);
  });

  it.each([
    ['that begins anew each time', ['p/a', 'p/b'], 'a'],
    ['in another order', ['p/\u{1F600}', 'p/\uFF01'], undefined],
    ['that says a key twice', ['p/a', 'p/a'], undefined],
  ])('refuses a listing %s', async (_what, keys, after) => {
    const contents = keys.map((key) => `<Contents><Key>${key}</Key><Size>1</Size></Contents>`);
    const page = `<IsTruncated>true</IsTruncated>${contents.join('')}`;
    const target = await openThrough(
      { answer: () => xml(200, `<ListBucketResult>${page}</ListBucketResult>`) },
      { prefix: 'p' },
    );
    const error = await usageError(target.list(after, never));
    expect(error.message).toContain('ignores where a listing is to begin');
  });

  it('refuses a listing of uploads that begins anew each time', async () => {
    const upload = '<Upload><Key>p/a</Key><UploadId>1</UploadId></Upload>';
    const behind = '<NextKeyMarker>p/a</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>';
    const page = `<IsTruncated>true</IsTruncated>${behind}${upload}`;
    const list = `<ListMultipartUploadsResult>${page}</ListMultipartUploadsResult>`;
    const target = await openThrough({ answer: () => xml(200, list) }, { prefix: 'p' });
    const error = await usageError(target.unfinished(never));
    expect(error.message).toContain('ignores where a listing is to begin');
  });

  it('leaves out the marker and the placeholder of the prefix', async () => {
    const list = ['p/', 'p/_es-migrate.json', 'p/messages/', 'p/x/_es-migrate.json']
      .map((key) => `<Contents><Key>${key}</Key><Size>0</Size></Contents>`)
      .join('');
    const target = await openThrough(
      { answer: () => xml(200, `<ListBucketResult>${list}</ListBucketResult>`) },
      { prefix: 'p' },
    );
    const { objects } = await target.list(undefined, never);
    expect(objects.map(({ key }) => key)).toEqual(['messages/', 'x/_es-migrate.json']);
  });

  it('goes on where a page holds nothing but what is left out', async () => {
    const target = await openThrough(
      {
        answer: ({ url }) => {
          const [truncated, key] = url.includes('start-after=')
            ? ['false', 'p/a']
            : ['true', 'p/_es-migrate.json'];
          const contents = `<Contents><Key>${key}</Key><Size>1</Size></Contents>`;
          const page = `<IsTruncated>${truncated}</IsTruncated>${contents}`;
          return xml(200, `<ListBucketResult>${page}</ListBucketResult>`);
        },
      },
      { prefix: 'p' },
    );
    expect(await target.list(undefined, never)).toEqual({
      objects: [{ key: 'a', bytes: 1, etag: undefined }],
      last: true,
    });
    expect(target.requests[1]?.url).toContain('start-after=p%2F_es-migrate.json');
  });

  it('needs a permission, which is named', async () => {
    const target = await refusing(403, 'AccessDenied');
    const error = await usageError(target.list(undefined, never));
    expect(error.message).toMatch(/^S3 denied listing s3:\/\/.*\(AccessDenied\)$/);
    expect(error.advice).toContain('s3:ListBucket');
    expect(error.advice).toContain('verify');
  });

  it('can be tried again where the server is busy', async () => {
    const error = await fault((await refusing(503, 'SlowDown')).list(undefined, never));
    expect([error.class, error.code]).toEqual(['retriable', 'SlowDown']);
  });
});

describe('deleting objects from S3', () => {
  const answering = (code: string) =>
    openThrough({
      answer: () =>
        xml(
          200,
          `<DeleteResult><Error><Key>p/a</Key><Code>${code}</Code><Message>No.</Message></Error>` +
            `<Error><Key>p/b</Key><Code>${code}</Code><Message>No.</Message></Error></DeleteResult>`,
        ),
    });

  it('needs a permission, which is named, also where the answer is 200', async () => {
    for (const target of [await refusing(403, 'AccessDenied'), await answering('AccessDenied')]) {
      const error = await usageError(target.delete(['a'], never));
      expect(error.message).toMatch(/^S3 denied deleting objects below s3:/);
      expect(error.advice).toContain('s3:DeleteObject');
    }
  });

  it('can be tried again where some were not deleted', async () => {
    const error = await fault((await answering('InternalError')).delete(['a', 'b'], never));
    expect([error.class, error.code]).toEqual(['retriable', 'InternalError']);
    expect(error.message).toContain('(p/a, and 1 more)');
  });

  it('takes one that is gone for deleted', async () => {
    await (await answering('NoSuchKey')).delete(['a', 'b'], never);
  });
});

describe('uploads to S3 that were never completed', () => {
  async function begin(bucket: string, Key: string): Promise<string> {
    const client = observer();
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket: bucket, Key }),
    );
    const part = { Bucket: bucket, Key, UploadId, PartNumber: 1, Body: noise(1000, Key) };
    await client.send(new UploadPartCommand(part));
    return UploadId ?? '';
  }

  it('are listed below the prefix alone, and removed one by one', async () => {
    const { bucket } = await freshBucket();
    const ours = [await begin(bucket, 'a/x'), await begin(bucket, 'a/y z')];
    const theirs = await begin(bucket, 'ab/x');
    const target = await open({ bucket, prefix: 'a' });
    const root = await open({ bucket, prefix: '' });
    const uploads = (await target.unfinished(never)) ?? [];
    expect(uploads.map(({ key, id }) => [key, id])).toEqual([
      ['x', ours[0]],
      ['y z', ours[1]],
    ]);
    for (const { begunAt = 0 } of uploads) {
      expect(Math.abs(begunAt - Date.now())).toBeLessThan(3_600_000);
    }
    const [first, second] = uploads;
    if (!first || !second) throw new Error('expected two uploads');
    await target.abandon(first, never);
    expect((await target.unfinished(never))?.map(({ id }) => id)).toEqual([ours[1]]);
    await target.abandon(first, never);
    await target.abandon(second, never);
    expect((await root.unfinished(never))?.map(({ key, id }) => [key, id])).toEqual([
      ['ab/x', theirs],
    ]);
  });

  it('are listed page by page', async () => {
    const upload = (key: string, id: string) =>
      `<Upload><Key>${key}</Key><UploadId>${id}</UploadId></Upload>`;
    const target = await openThrough(
      {
        answer: ({ url }) => {
          const query = new URL(url, 'http://s3').searchParams;
          const next = [query.get('key-marker'), query.get('upload-id-marker')].join();
          const page =
            next === ','
              ? `<IsTruncated>true</IsTruncated><NextKeyMarker>p%2Fa+b</NextKeyMarker>` +
                `<NextUploadIdMarker>1</NextUploadIdMarker>${upload('p%2Fa+b', '1')}`
              : upload('p%2Fa+b', next);
          return xml(
            200,
            `<ListMultipartUploadsResult><EncodingType>url</EncodingType>${page}</ListMultipartUploadsResult>`,
          );
        },
      },
      { prefix: 'p' },
    );
    expect(await target.unfinished(never)).toEqual([
      { key: 'a b', id: '1', begunAt: undefined },
      { key: 'a b', id: 'p/a b,1', begunAt: undefined },
    ]);
  });

  it.each([
    [403, 'AccessDenied'],
    [501, 'NotImplemented'],
    [405, 'MethodNotAllowed'],
  ])('are unknown where S3 answers %d %s', async (status, code) => {
    expect(await (await refusing(status, code)).unfinished(never)).toBeUndefined();
  });

  it('can be asked for again where the server is busy', async () => {
    const error = await fault((await refusing(503, 'SlowDown')).unfinished(never));
    expect(error.class).toBe('retriable');
  });

  it('name the permission their removal needs', async () => {
    const target = await refusing(403, 'AccessDenied');
    const error = await usageError(target.abandon({ key: 'a', id: '1' }, never));
    expect(error.advice).toContain('s3:AbortMultipartUpload');
  });

  it('make their owner begin anew when somebody removed them', async () => {
    const { bucket } = await freshBucket();
    const remover = await open({ bucket, prefix: '' });
    let removed = false;
    const target = await openThrough(
      {
        onBody: async (chunk, { url }) => {
          if (!url.includes('partNumber=3') || removed) return chunk;
          removed = true;
          for (const one of (await remover.unfinished(never)) ?? [])
            await remover.abandon(one, never);
          return chunk;
        },
      },
      { bucket, prefix: '' },
    );
    const large = await body(noise(20_000_000, 'removed'));
    const error = await fault(target.put('a', large, never));
    expect(error.class, error.message).toBe('retriable');
    expect((await target.put('a', large, never)).bytes).toBe(20_000_000);
    expect(await target.unfinished(never)).toEqual([]);
  });
});
