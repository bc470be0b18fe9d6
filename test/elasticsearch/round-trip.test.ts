import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freshIndexPrefix } from '../support/sandbox.js';
import { nested, rawJson } from './raw-json.js';
import { createIndex, MIB, never, open, put, refresh } from './support.js';

/** Elasticsearch parses a document only as far as it indexes it; what it is not told to look into it keeps. */
const kept = { dynamic: false, properties: { payload: { type: 'object', enabled: false } } };

const worst: Record<string, string> = {
  'inner line breaks': '{\r\n\t"a" :\n1 ,\r "b":[ ]\n}',
  'numbers JavaScript would spoil':
    '{"n":[9007199254740993,18446744073709551615,1e400,-1E-400,-0.0,1.10,1.0,0.1e1,' +
    `${'1234567890'.repeat(4)}]}`,
  escapes: '{"e":"\\u0000\\u0022\\u005C\\/\\b\\ud83d\\ude00\\u2028","raw":"😀\u2028\u007f"}',
  'strings full of JSON': '{"s":"}]},{\\"_source\\":{\\"hits\\":[\\\\"}',
  'names of the envelope':
    '{"payload":{"_source":{"hits":{"hits":[{"_id":"x"}]}},"_id":1},"hits":[],"_shards":{"failed":1},"sort":[1]}',
  'nesting 100 deep': `{"payload":${nested(97)}}`,
  empty: '{}',
  'empty inside': '{"a":{},"b":[],"c":"","payload":{"":0},"d":null}',
  blanks: '{ \n}',
};

/** Line ends, which in JSON only stand between tokens, come back as spaces (contract, "Objects"). */
const onOneLine = (text: string) => text.replaceAll(/[\r\n]/g, ' ');

test('what Elasticsearch takes comes back byte for byte, on one line', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, kept);
  const source = open();
  for (const [id, text] of Object.entries(worst)) await put(index, id, text);
  await refresh(index);
  const answer = await source.messages(index, {
    ids: Object.keys(worst),
    maxBytes: MIB,
    signal: never,
  });
  if (answer.kind !== 'hits') throw new Error(answer.reason);
  const found = Object.fromEntries(answer.hits.map(({ id, source }) => [id, source?.toString()]));
  expect(found).toEqual(
    Object.fromEntries(Object.entries(worst).map(([id, text]) => [id, onOneLine(text)])),
  );
});

test('white space around a document is not part of it', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, kept);
  await put(index, 'a', ' \n{"n" :1.10} \r\n');
  await refresh(index);
  const answer = await open().messages(index, { ids: ['a'], maxBytes: MIB, signal: never });
  expect(answer.kind === 'hits' && answer.hits[0]?.source?.toString()).toBe('{"n" :1.10}');
});

test('property: any document it takes comes back byte for byte, on one line', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, kept);
  const source = open();
  const taken = new Map<string, string>();
  for (const payload of fc.sample(rawJson, 150)) {
    const id = `document-${taken.size}`;
    const text = `{"payload" : ${payload}}`;
    // It refuses some, such as duplicate keys and lone surrogates; refused is not damaged.
    await put(index, id, text).then(
      () => taken.set(id, onOneLine(text)),
      () => undefined,
    );
  }
  expect(taken.size).toBeGreaterThan(50);
  await refresh(index);
  const ids = [...taken.keys()];
  const answer = await source.messages(index, { ids, maxBytes: MIB, signal: never });
  if (answer.kind !== 'hits') throw new Error(answer.reason);
  const found = new Map(answer.hits.map(({ id, source }) => [id, source?.toString()]));
  expect(found).toEqual(taken);
});

test('ids of any kind are found, and no other', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, kept);
  const ids = [
    'a',
    'A',
    'a ',
    ' a',
    '../a',
    '%2F',
    'a/b',
    '"',
    "'",
    '\\',
    '😀',
    'x'.repeat(512),
    '日',
  ];
  for (const [i, id] of ids.entries()) await put(index, id, `{"n":${i}}`);
  await refresh(index);
  const answer = await open().messages(index, {
    ids: [...ids, 'b'],
    maxBytes: MIB,
    signal: never,
  });
  if (answer.kind !== 'hits') throw new Error(answer.reason);
  const found = answer.hits.map(({ id, source }) => [id, source?.toString()]);
  expect(found.sort()).toEqual(ids.map((id, i) => [id, `{"n":${i}}`]).sort());
});
