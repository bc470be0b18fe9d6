import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseAggregations, parseSearch } from '../../src/core/elasticsearch/answer.js';
import { byName } from '../../src/core/elasticsearch/json-answer.js';
import { hasValueAt } from '../../src/core/elasticsearch/source-value.js';
import { z } from 'zod';
import { createIndex, never, open, put, refresh, rejection } from './support.js';
import { json, troubled } from './troubled.js';

const INDEX = `hostile-${process.pid}`;
const hit = (members: string) => `{"hits":{"hits":[{"_index":"i",${members}}]}}`;
const malformed = { name: 'Fault', class: 'retriable', code: 'malformed_answer' };

function refusal(body: string | Buffer): unknown {
  try {
    return { found: parseSearch(Buffer.from(body)) };
  } catch (error) {
    return error;
  }
}

describe('is a malformed answer', () => {
  test.each([
    ['two ids', hit('"_id":"a","_id":"b"')],
    ['two ids, one of them escaped', hit('"_id":"a","\\u005fid":"b"')],
    ['two sources', hit('"_id":"a","_source":{},"_source":{"a":1}')],
    ['two indices', hit('"_id":"a","_index":"j"')],
    ['two sort values', hit('"_id":"a","sort":[1],"sort":[2]')],
    ['two lists of hits', '{"hits":{"hits":[],"hits":[]}}'],
    ['two hits', '{"hits":{"hits":[]},"hits":{"hits":[]}}'],
    ['two accounts of the shards', '{"_shards":{},"_shards":{},"hits":{"hits":[]}}'],
    ['the same field twice', hit('"_id":"a","fields":{"f":["1"],"f":["2"]}')],
    ['a source of null', hit('"_id":"a","_source":null')],
    ['a source that is a list', hit('"_id":"a","_source":[{}]')],
    ['a source that is a string', hit('"_id":"a","_source":"{}"')],
    ['brackets that do not match', hit('"_id":"a","_source":{"a":[1}}')],
    ['brackets closed in the wrong order', hit('"_id":"a","_source":{"a":[{]}}')],
    ['a value without a name', hit('"_id":"a","_source":{1}')],
    ['a name without a value', hit('"_id":"a","_source":{"a":}')],
    ['a comma too many', hit('"_id":"a","_source":{"a":1,}')],
    ['a number with a leading zero', hit('"_id":"a","_source":{"a":01}')],
    ['a minus alone', hit('"_id":"a","_source":{"a":-}')],
    ['words that are none', hit('"_id":"a","_source":{"a":nulll}')],
    ['a line break in a string', hit('"_id":"a","_source":{"a":"x\ny"}')],
    ['a NUL in a string', hit('"_id":"a","_source":{"a":"x\0y"}')],
    ['a NUL between tokens', hit('"_id":"a",\0"_source":{}')],
    ['an escape that JSON does not know', hit('"_id":"a","_source":{"a":"\\x41"}')],
    ['a byte order mark before it', `\ufeff${hit('"_id":"a"')}`],
    ['more behind it', `${hit('"_id":"a"')}null`],
    ['comments outside of documents', `/* */${hit('"_id":"a"')}`],
    ['an id with half a character', hit('"_id":"\\ud800"')],
    ['ignored fields that are no list', hit('"_id":"a","_ignored":{"a":1}')],
    ['a second field that is no list', hit('"_id":"a","fields":{"f":["1"],"g":7}')],
    ['sort values that are no list', hit('"_id":"a","sort":{}')],
    ['a sequence number that is none', hit('"_id":"a","_seq_no":"x","_primary_term":1')],
    ['work of less than no time', '{"took":-1e9,"hits":{"hits":[]}}'],
    ['work without an end', '{"took":1e99999,"hits":{"hits":[]}}'],
    ['a count below zero', '{"hits":{"total":-1,"hits":[]}}'],
    ['failed shards that are no number', '{"_shards":{"failed":"x"},"hits":{"hits":[]}}'],
    ['a time-out that is a word', '{"timed_out":"true","hits":{"hits":[]}}'],
  ])('%s', (_, body) => {
    expect(refusal(body)).toMatchObject(malformed);
  });

  test.each([
    ['no character at all', [0xff]],
    ['half a character', [0xc3]],
    ['too long a form', [0xc0, 0x80]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ])('an id with bytes that are %s', (_, bytes) => {
    const [before, after] = hit('"_id":"x"').split('x');
    const body = Buffer.concat([
      Buffer.from(before ?? ''),
      Buffer.from(bytes),
      Buffer.from(after ?? ''),
    ]);
    expect(refusal(body)).toMatchObject(malformed);
  });

  test('a million brackets that are not closed, wherever they stand', () => {
    const deep = '[{"a":'.repeat(500_000);
    for (const body of [
      deep,
      `{"_shards":${deep}`,
      `{"took":${deep}`,
      hit(`"_id":"a","_source":{"a":${deep}}`),
      hit(`"_id":"a","sort":${deep}`),
    ]) {
      expect(refusal(body)).toMatchObject(malformed);
      const aggregations = () => parseAggregations(Buffer.from(body), byName(z.unknown()));
      expect(aggregations).toThrow('the answer');
    }
  });

  test.each(['null', '1', '[]', '"x"', '{"aggregations":7,"hits":{}}', '{"hits":{"a":1}'])(
    'of aggregations: %s',
    (body) => {
      let error: unknown;
      try {
        parseAggregations(Buffer.from(body), z.object({ a: z.object({}) }));
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject(malformed);
    },
  );
});

describe('is no reason to end', () => {
  test('a document of a million levels, with every bracket closed', () => {
    const source = `{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
    const { hits } = parseSearch(Buffer.from(hit(`"_id":"a","_source":${source}`)));
    expect(hits[0]?.source?.equals(Buffer.from(source))).toBe(true);
    expect(hasValueAt(Buffer.from(source), 'a')).toBe(false);
  });

  test('names that objects of JavaScript have already', () => {
    const body = `{"__proto__":{"hits":1},"_shards":{"__proto__":{"failed":1}},${hit('"_id":"a","__proto__":{"_id":"b"},"_source":{"__proto__":1},"fields":{"__proto__":["x"]}').slice(1)}`;
    const [found] = parseSearch(Buffer.from(body)).hits;
    expect(found?.source?.toString()).toBe('{"__proto__":1}');
    expect(found?.valuesOf('__proto__')).toEqual(['x']);
  });
});

describe('what a server sends', () => {
  const answers = [
    ['[]', '/_pit'],
    ['{"id":7}', '/_pit'],
    ['{"id":{"a":1}}', '/_pit'],
  ] as const;

  test.each(answers)('%s is asked for again, for %s', async (body) => {
    const { url, paths } = await troubled(json(200, body));
    const source = open({ urls: [url] }, 100);
    const error = await rejection(source.openWindow({ from: 0, to: 1 }, never));
    expect(error).toMatchObject({ name: 'MigrateError', kind: 'unavailable' });
    expect(paths.length).toBeGreaterThan(0);
  });

  test.each([
    'null',
    '{"error":7}',
    '{"error":{"type":7,"reason":{"a":1},"root_cause":"x","failed_shards":[null]}}',
    '{"error":{"root_cause":[{"type":{},"reason":[]}]}}',
    `{"error":${'['.repeat(300_000)}`,
  ])('an error of %.40s is an error, not a bug', async (body) => {
    const { url } = await troubled(json(400, body));
    const source = open({ urls: [url] }, 100);
    const error = await rejection(
      source.messages('i', { ids: ['a'], maxBytes: 1e6, signal: never }),
    );
    expect((error as Error).name).toMatch(/^(Fault|MigrateError)$/);
  });

  test('compressed though nobody asked for it is not unpacked: a few KB may stand for GB', async () => {
    const bomb = gzipSync(Buffer.alloc(64 << 20, ' '));
    const asked: (string | string[] | undefined)[] = [];
    const { url } = await troubled((response, request) => {
      asked.push(request.headers['accept-encoding']);
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(bomb);
    });
    const source = open({ urls: [url] }, 100);
    const error = await rejection(
      source.messages('i', { ids: ['a'], maxBytes: 1e6, signal: never }),
    );
    expect(error).toMatchObject({ kind: 'unavailable' });
    // 64 MiB would have been too large, not malformed.
    expect((error as Error).message).toContain('the answer unexpected byte at 0');
    expect(new Set(asked)).toEqual(new Set([undefined]));
  });

  test.each([
    ['longer than it says', 10],
    ['shorter than it says', 10_000],
  ])('an answer %s is never taken for the whole', async (_, length) => {
    const { url } = await troubled((response) => {
      response.socket?.end(
        `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${hit('"_id":"a","_source":{}')}`,
      );
    });
    const source = open({ urls: [url] }, 100);
    const error = await rejection(
      source.messages('i', { ids: ['a'], maxBytes: 1e6, signal: never }),
    );
    expect(error).toMatchObject({ kind: 'unavailable' });
  });
});

describe('documents that Elasticsearch takes though they are no JSON', () => {
  const text = (...bytes: number[]) =>
    Buffer.concat([Buffer.from('{"off":{"a":"'), Buffer.from(bytes), Buffer.from('"}}')]);
  const of = (name: string) => ({ ids: [name], maxBytes: 1e6, signal: never });

  test('come as the JSON that they stand for, and one that spoils its answer is named', async () => {
    await createIndex(INDEX, { properties: { off: { type: 'object', enabled: false } } });
    await put(INDEX, 'comments', '{"a":1 /* " ] */, // }\n"b":"/* no */"} /* x */');
    await put(INDEX, 'mark', '\ufeff{"a":1}');
    await put(INDEX, 'surrogate', text(0xed, 0xa0, 0x80));
    await put(INDEX, 'long-form', text(0xc0, 0x80));
    await put(INDEX, 'behind', '{"a":1} // x');
    await put(INDEX, 'before', '/* x */{"a":1}');
    await refresh(INDEX);
    const source = open();
    const read = async (name: string) => {
      const answer = await source.messages(INDEX, of(name));
      return answer.kind === 'hits' ? answer.hits[0]?.source?.toString('latin1') : answer;
    };
    const comments = (await read('comments')) as string;
    expect(comments).toBe('{"a":1          ,      "b":"/* no */"}');
    expect(await read('mark')).toBe('{"a":1}');
    // Bytes of a string stay, whatever they are.
    expect(await read('surrogate')).toBe(text(0xed, 0xa0, 0x80).toString('latin1'));
    expect(await read('long-form')).toBe(text(0xc0, 0x80).toString('latin1'));
    // Asked for with others it would take their ends for its own comment; alone it is a failed message.
    // Elasticsearch itself can't show it, and answers 500 to every search that would find it.
    expect(await rejection(source.messages(INDEX, of('before')))).toMatchObject({
      class: 'request',
      code: 'not_x_content_exception',
    });
    const together = { ids: ['behind', 'mark'], maxBytes: 1e6, signal: never };
    for (const request of [of('behind'), together])
      expect(await rejection(source.messages(INDEX, request))).toMatchObject({
        class: 'request',
        code: 'unreadable_document',
      });
  });
});
