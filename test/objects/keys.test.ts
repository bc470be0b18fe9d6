import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createHash } from 'node:crypto';
import {
  batchIndexKey,
  batchKey,
  formerIndexKey,
  hashedNameOfKey,
  idOfKey,
  messageKey,
  parseBatchKey,
  type KeyStyle,
} from '../../src/core/objects/keys.js';

const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));

/** Ids as Elasticsearch takes them: any text of 1 to 512 UTF-8 bytes; nasty ones more often. */
const id = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 512 }),
    fc.string({
      unit: fc.constantFrom('.', '/', '%', '~', ' ', 'a', 'A', '2', 'F', '\0', '\n', 'é', '😀'),
      minLength: 1,
      maxLength: 64,
    }),
    fc.string({ unit: fc.constantFrom('a', 'B', '.'), minLength: 180, maxLength: 220 }),
  )
  .filter((text) => Buffer.byteLength(text) <= 512 && !/\p{Surrogate}/u.test(text));
const index = fc.option(
  fc.constantFrom(
    'con',
    'aux.1',
    'logs.',
    'messages',
    'messages-2024.10',
    '.hidden',
    'a',
    'ab',
    'a'.repeat(255),
    '~a',
  ),
  { nil: undefined },
);
const style = fc.constantFrom<KeyStyle>('s3', 'file', 'file-caseless');

describe('messageKey', () => {
  it.each([
    ['m-1', 'messages/m-1.json'],
    ['a.b_c-D', 'messages/a.b_c-D.json'],
    ['.', 'messages/%2E.json'],
    ['..', 'messages/%2E%2E.json'],
    ['...', 'messages/....json'],
    ['.a', 'messages/.a.json'],
    ['a/../b', 'messages/a%2F..%2Fb.json'],
    ['100%', 'messages/100%25.json'],
    ['a ', 'messages/a%20.json'],
    ['~', 'messages/%7E.json'],
    ['"\'', 'messages/%22%27.json'],
    ['é😀', 'messages/%C3%A9%F0%9F%98%80.json'],
    ['a\nb\0', 'messages/a%0Ab%00.json'],
  ])('encodes %j', (text, key) => {
    expect(messageKey({ id: text }, 's3')).toBe(key);
    expect(messageKey({ id: utf8(text) }, 's3')).toBe(key);
  });

  it('puts the index before the id', () => {
    expect(messageKey({ id: 'a', index: 'logs-1' }, 's3')).toBe('messages/logs-1/a.json');
  });

  it('puts two hash directories before the file name on a file system', () => {
    // sha256('a') = ca978112…
    expect(messageKey({ id: 'a' }, 'file')).toBe('messages/ca/97/a.json');
    expect(messageKey({ id: 'a', index: 'i' }, 'file')).toBe('messages/i/ca/97/a.json');
  });

  it.each([
    ['CON', '%43ON.json', '%43%4F%4E.json'],
    ['nul', '%6Eul.json', '%6Eul.json'],
    ['aux.tar', '%61ux.tar.json', '%61ux.tar.json'],
    ['Com1', '%43om1.json', '%43om1.json'],
    ['LPT9', '%4CPT9.json', '%4C%50%549.json'],
    ['lpt10', 'lpt10.json', 'lpt10.json'],
    ['console', 'console.json', 'console.json'],
    ['a.CON', 'a.CON.json', 'a.%43%4F%4E.json'],
    ['C:\\x', 'C%3A%5Cx.json', '%43%3A%5Cx.json'],
    ['a.', 'a..json', 'a..json'],
  ])('leaves %j out of the names that other systems reserve', (text, file, caseless) => {
    const nameOf = (how: KeyStyle) => messageKey({ id: text }, how).split('/').at(-1);
    expect(nameOf('file')).toBe(file);
    expect(nameOf('file-caseless')).toBe(caseless);
    expect(nameOf('s3')).toBe(`${text.replace(':', '%3A').replace('\\', '%5C')}.json`);
  });

  it.each([
    ['con', 'messages/%63on/ca/97/a.json'],
    ['logs.', 'messages/logs%2E/ca/97/a.json'],
    ['nul.x', 'messages/%6Eul.x/ca/97/a.json'],
  ])('does so for the index %s, too', (name, key) => {
    expect(messageKey({ id: 'a', index: name }, 'file')).toBe(key);
    expect(idOfKey(key)).toEqual({ id: utf8('a'), index: name });
  });

  it('gives different messages different keys where case does not count', () => {
    const cased = fc.string({ unit: fc.constantFrom('a', 'A', '.', '%', '4', '1'), minLength: 1 });
    const any = fc.oneof(id, cased);
    fc.assert(
      fc.property(any, any, (idA, idB) => {
        fc.pre(idA !== idB);
        const [a, b] = [idA, idB].map((one) => messageKey({ id: one }, 'file-caseless'));
        expect(a?.toLowerCase()).not.toBe(b?.toLowerCase());
      }),
    );
  });

  it('replaces an id by its hash where the segment, with .json, exceeds 200 bytes', () => {
    expect(messageKey({ id: 'x'.repeat(195) }, 's3')).toBe(`messages/${'x'.repeat(195)}.json`);
    expect(messageKey({ id: 'x'.repeat(196) }, 's3')).toMatch(/^messages\/~[0-9a-f]{64}\.json$/);
    expect(messageKey({ id: '/'.repeat(66) }, 's3')).toMatch(/^messages\/~[0-9a-f]{64}\.json$/);
    // printf 'x%.0s' $(seq 512) | sha256sum
    expect(messageKey({ id: 'x'.repeat(512) }, 's3')).toBe(
      'messages/~64164443bb63e338ef1cfdb12a57117cd1212270cc935a798f6e8a665cdf4659.json',
    );
  });

  it('makes segments every file system and S3 server takes', () => {
    fc.assert(
      fc.property(id, index, style, (text, name, how) => {
        for (const segment of messageKey({ id: text, index: name }, how).split('/')) {
          expect(segment).toMatch(/^[A-Za-z0-9._%~-]{1,255}$/);
          expect(['.', '..']).not.toContain(segment);
        }
      }),
    );
  });

  it('gives different messages different keys', () => {
    fc.assert(
      fc.property(id, index, id, index, style, (idA, indexA, idB, indexB, how) => {
        fc.pre(idA !== idB || indexA !== indexB);
        // Keys with and without an index never stand under one prefix.
        fc.pre((indexA === undefined) === (indexB === undefined));
        const a = messageKey({ id: idA, index: indexA }, how);
        const b = messageKey({ id: idB, index: indexB }, how);
        expect(a).not.toBe(b);
      }),
    );
  });

  it('keeps ids apart that differ only in case, a trailing blank or their escapes', () => {
    const ids = ['a', 'A', 'a ', 'a%20', 'a%2520', 'á', 'a\u0301', '~', '%7E', '.', '%2E'];
    expect(new Set(ids.map((text) => messageKey({ id: text }, 's3'))).size).toBe(ids.length);
    const long = [`${'x'.repeat(300)}a`, `${'x'.repeat(300)}A`];
    expect(new Set(long.map((text) => messageKey({ id: text }, 's3'))).size).toBe(2);
  });
});

describe('idOfKey', () => {
  it('is the inverse of messageKey wherever nothing is hashed', () => {
    fc.assert(
      fc.property(id, index, style, (text, name, how) => {
        const key = messageKey({ id: text, index: name }, how);
        const found = idOfKey(key);
        if (key.includes('~')) expect(found).toBeUndefined();
        else expect(found).toEqual({ id: utf8(text), index: name });
      }),
    );
  });

  it.each([
    'messages/a',
    'messages/a%2f.json',
    'messages/a%41.json',
    'messages/a b.json',
    'messages/~00.json',
    'messages/00/00/a.json',
    'messages/x/y/z/a.json',
    'batches/job-000001/batch-0000000001-0001.ndjson.gz',
    '_es-migrate.json',
    'other/messages/a.json',
  ])('knows nothing of %s', (key) => {
    expect(idOfKey(key)).toBeUndefined();
  });
});

describe('hashedNameOfKey', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest();

  it('says what to look up wherever something is hashed, and only there', () => {
    fc.assert(
      fc.property(id, index, style, (text, name, how) => {
        const key = messageKey({ id: text, index: name }, how);
        const found = hashedNameOfKey(key);
        if (!key.includes('~')) {
          expect(found).toBeUndefined();
          return;
        }
        expect(found?.id).toEqual(
          key.endsWith('~' + sha256(text).toString('hex') + '.json')
            ? { sha256: sha256(text) }
            : { name: utf8(text) },
        );
        if (name === undefined) expect(found?.index).toBeUndefined();
        else {
          const long = messageKey({ id: 'a', index: name }, 's3').includes('/~');
          expect(found?.index).toEqual(
            long && name.length > 200 ? { sha256: sha256(name) } : { name },
          );
        }
      }),
    );
  });

  const hash = sha256('x'.repeat(300)).toString('hex');

  it.each([
    'messages/a.json',
    `messages/~${hash}`,
    `messages/~${hash.toUpperCase()}.json`,
    `messages/~${hash.slice(1)}.json`,
    `messages/~~${hash}.json`,
    `messages/00/00/~${hash}.json`,
    `messages/i/00/00/~${hash}.json`,
    `messages/a b/~${hash}.json`,
    `messages/~${hash}/a b.json`,
    `messages/${'x'.repeat(201)}/~${hash}.json`,
    `messages/~${hash}/${'x'.repeat(196)}.json`,
    `other/messages/~${hash}.json`,
  ])('knows nothing of %s', (key) => {
    expect(hashedNameOfKey(key)).toBeUndefined();
  });
});

describe('parseBatchKey', () => {
  const number = (max: number) =>
    fc.oneof(fc.integer({ min: 1, max }), fc.integer({ min: 1, max: 99 }));

  it('is the inverse of batchKey and batchIndexKey', () => {
    const large = Number.MAX_SAFE_INTEGER;
    fc.assert(
      fc.property(number(large), number(large), number(70_000), (jobId, batchId, claim) => {
        const name = { jobId, batchId, claim };
        expect(parseBatchKey(batchKey(jobId, batchId, claim))).toEqual({ ...name, kind: 'object' });
        expect(parseBatchKey(batchIndexKey(jobId, batchId, claim))).toEqual({
          ...name,
          kind: 'index',
        });
      }),
    );
  });

  it.each([
    'batches/job-7/batch-0000000042-0001.ndjson.gz',
    'batches/job-000007/batch-42-1.ndjson.gz',
    'batches/job-0000007/batch-0000000042-0001.ndjson.gz',
    'batches/job-000007/batch-0000000042-0001.ndjson.gz.bak',
    'batches/job-000007/batch-0000000042-0001.json.gz',
    'batches/job-000007/batch-0000000042-0001.index.ndjson.gz',
    'batches/job-000007/x/batch-0000000042-0001.ndjson.gz',
    'batches/job-000007/batch-99999999999999999999-0001.ndjson.gz',
    'other/batches/job-000007/batch-0000000042-0001.ndjson.gz',
    '_index/job-000007/batch-0000000042-0001.ndjson.gz',
    'x/_index/job-000007/batch-0000000042-0001.index.json.gz',
    'batches/job-000007/batch-0000000042-0001.ndjson.gz\n',
  ])('knows nothing of %j', (key) => {
    expect(parseBatchKey(key)).toBeUndefined();
  });
});

describe('formerIndexKey', () => {
  it('lies beside the object, and is told from it and from the index', () => {
    const key = formerIndexKey(7, 42, 1);
    expect(key).toBe('batches/job-000007/batch-0000000042-0001.index.json.gz');
    const name = { jobId: 7, batchId: 42, claim: 1 };
    expect(parseBatchKey(key)).toEqual({ ...name, kind: 'former-index' });
  });
});

describe('batchIndexKey', () => {
  it('carries the same name and claim, under a prefix of its own', () => {
    expect(batchIndexKey(7, 42, 1)).toBe('_index/job-000007/batch-0000000042-0001.index.json.gz');
  });
});

describe('batchKey', () => {
  it('pads its numbers and lets larger ones grow', () => {
    expect(batchKey(7, 42, 1)).toBe('batches/job-000007/batch-0000000042-0001.ndjson.gz');
    expect(batchKey(1_234_567, 12_345_678_901, 12_345)).toBe(
      'batches/job-1234567/batch-12345678901-12345.ndjson.gz',
    );
  });
});
