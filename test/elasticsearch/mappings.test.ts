import { beforeAll, describe, expect, test } from 'vitest';
import { relatedFor } from '../../src/core/elasticsearch/join.js';
import type { RelatedSettings, SourceSettings } from '../../src/core/settings.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import {
  bulk,
  createIndex,
  es,
  MIB,
  never,
  open,
  put,
  refresh,
  related,
  rejection,
} from './support.js';

const prefix = freshIndexPrefix();
const date = { type: 'date' };
const keyword = { type: 'keyword' };
const name = (end: string) => `${prefix}${end}`;

beforeAll(async () => {
  await createIndex(name('messages-1'), {
    properties: {
      timestamp: { type: 'date', format: 'yyyy' },
      text: { type: 'text' },
      n: { type: 'long' },
      unindexed: { type: 'date', index: false, doc_values: false },
      parts: { type: 'nested', properties: { at: date } },
    },
  });
  await createIndex(name('messages-2'), {
    properties: {
      timestamp: { type: 'date_nanos' },
      only_here: date,
      object: { properties: { at: date } },
    },
  });
  await createIndex(name('sourceless'), {
    _source: { enabled: false },
    properties: { timestamp: date, id: keyword },
  });
  await createIndex(
    name('window'),
    { properties: { timestamp: date, id: keyword } },
    { max_result_window: 9999 },
  );
  await createIndex(name('history-1'), {
    properties: {
      id: keyword,
      text: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 256 } } },
      lower: { type: 'keyword', normalizer: 'lowercase' },
      short: { type: 'keyword', ignore_above: 5 },
      flat: { type: 'keyword', index: false, doc_values: false },
      undocumented: { type: 'keyword', doc_values: false },
      alias: { type: 'alias', path: 'short' },
      parts: { type: 'nested', properties: { id: keyword } },
      at: date,
      number: { type: 'long' },
    },
  });
  await createIndex(name('history-2'), {
    properties: { id: keyword, at: { type: 'date_nanos' }, number: keyword },
  });
  await createIndex(name('history-3'), { properties: { at: date } });
  // Where an index is empty, nothing is lost if it lacks a field.
  await put(name('messages-1'), 'a', '{"timestamp":"2024"}');
  await put(name('history-3'), 'a', '{"at":"2024-10-01"}');
  await refresh(`${name('messages-1')},${name('history-3')}`);
  await createIndex(
    name('limited'),
    { properties: { id: keyword, own: { type: 'keyword', ignore_above: 600 } } },
    { 'mapping.ignore_above': 300 },
  );
});

describe('the source', () => {
  const inspect = (changes: Partial<SourceSettings>) => open(changes).inspect(never);

  test('a pattern stands for its indices', async () => {
    const both = [name('messages-1'), name('messages-2')];
    expect(await inspect({ index: name('messages-*') })).toEqual({ indices: both, cautions: [] });
    expect(await inspect({ index: both.join(',') })).toEqual({ indices: both, cautions: [] });
  });

  test('an alias stands for its indices', async () => {
    await es('PUT', `/${name('messages-2')}/_alias/${name('current')}`);
    expect(await inspect({ index: name('current') })).toEqual({
      indices: [name('messages-2')],
      cautions: [],
    });
  });

  test('a closed index of a pattern is not passed over', async () => {
    for (const which of ['shut-1', 'shut-2']) {
      await createIndex(name(which), { properties: { timestamp: { type: 'date' } } });
    }
    await es('POST', `/${name('shut-2')}/_close`);
    const error = await rejection(inspect({ index: name('shut-*'), dateField: 'timestamp' }));
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(name('shut-2')) as string,
      advice: 'Open it, or narrow source.index.',
    });
  });

  test('a date field in an object is one', async () => {
    const found = await inspect({ index: name('messages-2'), dateField: 'object.at' });
    expect(found.indices).toHaveLength(1);
  });

  test.each<[string, Partial<SourceSettings>, string, RegExp]>([
    [
      'no such index',
      { index: name('none') },
      `there is no index ${name('none')}`,
      /source\.index/,
    ],
    ['no match', { index: name('none-*') }, `there is no index ${name('none-*')}`, /source\.index/],
    [
      'one of two missing',
      { index: `${name('messages-1')},${name('none')}` },
      `there is no index ${name('none')}`,
      /source\.index/,
    ],
    [
      'no such field',
      { index: name('messages-1'), dateField: 'nothing' },
      `${name('messages-1')} has no field nothing`,
      /source\.dateField/,
    ],
    [
      'a field of one index only',
      { index: name('messages-*'), dateField: 'only_here' },
      `${name('messages-1')} has no field only_here, so its messages are in no range`,
      /source\.index/,
    ],
    [
      'text',
      { index: name('messages-1'), dateField: 'text' },
      `the field text of ${name('messages-1')} is text, not date`,
      /source\.dateField/,
    ],
    [
      'a number',
      { index: name('messages-1'), dateField: 'n' },
      `the field n of ${name('messages-1')} is long, not date`,
      /source\.dateField/,
    ],
    [
      'a date that is not indexed',
      { index: name('messages-1'), dateField: 'unindexed' },
      `the field unindexed of ${name('messages-1')} is not indexed, so no range can be searched`,
      /source\.dateField/,
    ],
    [
      'a nested date',
      { index: name('messages-1'), dateField: 'parts.at' },
      `the field parts.at of ${name('messages-1')} is inside parts, which is nested: searching it would find nothing`,
      /source\.dateField/,
    ],
    [
      'no _source',
      { index: name('sourceless') },
      `${name('sourceless')} keeps no _source: there are no documents to copy`,
      /Leave/,
    ],
    [
      'a small window',
      { index: name('window') },
      `${name('window')} answers at most 9999 hits at once (index.max_result_window), 10000 are needed`,
      /Raise/,
    ],
  ])('%s', async (_, changes, message, advice) => {
    const error = await rejection(inspect(changes));
    expect(error).toMatchObject({ kind: 'usage', message });
    expect((error as { advice: string }).advice).toMatch(advice);
  });

  test.each([
    ['an unknown query', '{"no_such_query":{}}'],
    ['a wrong structure', '{"term":{"a":1,"b":2}}'],
    ['a list', '[{"term":{"a":1}}]'],
    ['a string', '"channel:sms"'],
    ['nothing', '{}'],
    ['a value that is not of its type', '{"term":{"n":"many"}}'],
    ['a broken regexp', '{"regexp":{"text":{"value":"("}}}'],
  ])('a filter that is %s', async (_, filter) => {
    const error = await rejection(inspect({ index: name('messages-1'), filter }));
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(
        /^the filter is not a query Elasticsearch takes: .+$/,
      ) as string,
      advice: 'Correct source.filter or --filter.',
    });
  });

  test('a filter that matches, or does not', async () => {
    for (const filter of [
      '{"term":{"n":18}}',
      '{"match_all":{}}',
      '{"exists":{"field":"nowhere"}}',
    ]) {
      const { indices } = await inspect({ index: name('messages-1'), filter });
      expect(indices).toHaveLength(1);
    }
  });
});

describe('a related index', () => {
  const inspect = (one: RelatedSettings) => open({ related: [one] }).inspectRelated([], never);
  const history = (end: string, fields: { key?: string; sort?: string }) =>
    related('history', name(end), fields);

  test.each<[string, string, { key: string; sort?: string }, string, RegExp]>([
    [
      'no such index',
      'none',
      { key: 'id' },
      `there is no index ${name('none')}`,
      /related\.history\.index/,
    ],
    [
      'no such key',
      'history-1',
      { key: 'nothing' },
      `${name('history-1')} has no field nothing`,
      /related\.history\.key/,
    ],
    [
      'a key missing in one index',
      'history-*',
      { key: 'id' },
      `${name('history-3')} has no field id`,
      /narrow source\.related\.history\.index/,
    ],
    [
      'a key that is text',
      'history-1',
      { key: 'text' },
      `the field text of ${name('history-1')} is text, not keyword: searching it for a value would find nothing`,
      /^Write source\.related\.history: \{ index: \S+history-1, key: text\.keyword, on: _id \}$/,
    ],
    [
      'a key that is a number',
      'history-1',
      { key: 'number' },
      `the field number of ${name('history-1')} is long, not keyword: searching it for a value would find nothing`,
      /related\.history\.key\.$/,
    ],
    [
      'a key with a normalizer',
      'history-1',
      { key: 'lower' },
      `the field lower of ${name('history-1')} has the normalizer lowercase: ids that differ would find each other's records`,
      /without normalizer/,
    ],
    [
      'a key without doc values',
      'history-1',
      { key: 'undocumented' },
      `the field undocumented of ${name('history-1')} is not indexed or has no doc values: its records can't be told apart`,
      /both/,
    ],
    [
      'a key that is not indexed',
      'history-1',
      { key: 'flat' },
      `the field flat of ${name('history-1')} is not indexed or has no doc values: its records can't be told apart`,
      /both/,
    ],
    [
      'a nested key',
      'history-1',
      { key: 'parts.id' },
      `the field parts.id of ${name('history-1')} is inside parts, which is nested: searching it would find nothing`,
      /outside/,
    ],
    [
      'no such sort field',
      'history-1',
      { key: 'id', sort: 'nothing' },
      `${name('history-1')} has no field nothing`,
      /related\.history\.sort/,
    ],
    [
      'a sort field that is text',
      'history-1',
      { key: 'id', sort: 'text' },
      `the field text of ${name('history-1')} is text: nothing can be sorted by it`,
      /related\.history\.sort/,
    ],
    [
      'no _source',
      'sourceless',
      { key: 'id' },
      `${name('sourceless')} keeps no _source: there are no documents to copy`,
      /Leave/,
    ],
    [
      'a small window',
      'window',
      { key: 'id' },
      `${name('window')} answers at most 9999 hits at once (index.max_result_window), 10000 are needed`,
      /Raise/,
    ],
  ])('%s', async (_, end, fields, message, advice) => {
    const error = await rejection(inspect(history(end, fields)));
    expect(error).toMatchObject({ kind: 'usage', message });
    expect((error as { advice: string }).advice).toMatch(advice);
  });

  test('a sort field of two types that do not compare', async () => {
    const both = `${name('history-1')},${name('history-2')}`;
    const error = await rejection(inspect(related('history', both, { key: 'id', sort: 'number' })));
    expect(error).toMatchObject({ kind: 'usage' });
    expect((error as Error).message).toMatch(
      /^the field number is (long in one index and keyword|keyword in one index and long) in another of /,
    );
  });

  test.each([
    ['no limit', 'history-1', 'id', 2 ** 31 - 1],
    ['a short one', 'history-1', 'short', 5],
    ['that behind an alias', 'history-1', 'alias', 5],
    ["that of the index's settings", 'limited', 'id', 300],
    ["the field's own before it", 'limited', 'own', 600],
    ['that of a multi-field', 'history-1', 'text.keyword', 256],
  ])('the longest key is %s', async (_, end, key, longest) => {
    const [found] = await inspect(history(end, { key }));
    if (longest > 1e6)
      expect(found?.indices[0]?.join[0]?.longestKey).toBeGreaterThanOrEqual(longest);
    else expect(found?.indices[0]?.join[0]?.longestKey).toBe(longest);
  });

  test('a date here and nanoseconds there sort together', async () => {
    const [found] = await inspect(
      related('history', `${name('history-1')},${name('history-2')}`, { key: 'id', sort: 'at' }),
    );
    expect(found?.indices[0]?.sort).toEqual({
      field: 'at',
      type: 'date',
      numericType: 'date_nanos',
    });
  });

  test('characters of a key are counted as Elasticsearch counts them', async () => {
    const index = name('counted');
    await createIndex(index, { properties: { id: { type: 'keyword', ignore_above: 6 } } });
    const keys = ['abcdef', 'abcdefg', '😀😀😀', '😀😀😀😀', 'ääääää', 'äääääää'];
    await bulk(
      index,
      keys.map((id) => ({ id, source: JSON.stringify({ id }) })),
    );
    const source = open({ related: [related('history', index, { key: 'id' })] });
    const [one] = relatedFor(await source.inspectRelated([], never), 'any');
    if (!one) throw new Error('one was asked for');
    const answer = await source.records(one, [keys], { maxBytes: MIB, signal: never });
    const found = answer.kind === 'hits' ? answer.hits.map(({ id }) => id) : [];
    // What counts as short enough here must be found; the reverse would only be careful.
    const short = keys.filter((key) => key.length <= (one.join[0]?.longestKey ?? 0));
    expect(found).toEqual(expect.arrayContaining(short));
    expect(found.length).toBeLessThan(keys.length);
  });
});
