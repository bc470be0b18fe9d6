import { describe, expect, test } from 'vitest';
import { freshIndexPrefix } from '../support/sandbox.js';
import {
  bulk,
  createIndex,
  inspected,
  MIB,
  never,
  open,
  put,
  refresh,
  rejection,
  related,
} from '../elasticsearch/support.js';
import { isMigrateError } from '../../src/core/errors.js';
import { fetchMessages } from '../../src/core/process/fetch.js';
import { carry, claimed, type Carried } from './support.js';

const keyword = { type: 'keyword' };
const date = { type: 'date' };

/** Sizes that make every message be read alone, as one too large for a page is. */
const ALONE = { pageBytes: 1 };

interface Names {
  readonly messages: string;
  readonly history: string;
}

/** An index of messages and one of records, with these fields beside those that all have. */
async function indices(messageFields: object, recordFields: object): Promise<Names> {
  const prefix = freshIndexPrefix();
  const [messages, history] = [`${prefix}messages`, `${prefix}history`];
  await createIndex(messages, { properties: { timestamp: date, ...messageFields } });
  await createIndex(history, { properties: { at: date, ...recordFields } });
  return { messages, history };
}

const source = (one: object) => JSON.stringify(one);

/** Names of the records of a message's document; undefined where there is no document. */
function recordsOf(carried: Carried, id: string, index?: string): string[] | undefined {
  const document = carried.document(id, index);
  if (document === undefined) return undefined;
  const { history } = JSON.parse(document) as { history: { record: string }[] };
  return history.map(({ record }) => record);
}

/** The same messages read with others and read alone: what comes must be the same. */
async function bothWays(
  from: ReturnType<typeof open>,
  messages: Parameters<typeof carry>[1],
): Promise<Carried> {
  const together = await carry(from, messages);
  const alone = await carry(from, messages, ALONE);
  expect(alone.failed).toEqual(together.failed);
  expect([...alone.writer.documents].sort()).toEqual([...together.writer.documents].sort());
  expect([...alone.writer.counts].sort()).toEqual([...together.writer.counts].sort());
  return together;
}

describe('records are joined by a field of the message', () => {
  test('where its _id was generated', async () => {
    const { messages, history } = await indices({ message_id: keyword }, { message_id: keyword });
    await bulk(messages, [
      { id: 'generated-1', source: source({ message_id: 'm1', n: 1 }) },
      { id: 'generated-2', source: source({ message_id: 'm2' }) },
      { id: 'm3', source: source({ text: 'it has no message_id, and an id that a record names' }) },
      { id: 'generated-4', source: source({ message_id: 'm4' }) },
    ]);
    await bulk(history, [
      { id: '1', source: source({ message_id: 'm1', record: 'one' }) },
      { id: '2', source: source({ message_id: 'm1', record: 'two' }) },
      { id: '3', source: source({ message_id: 'm2', record: 'three' }) },
      { id: '4', source: source({ message_id: 'm3', record: 'of nobody' }) },
      { id: '5', source: source({ message_id: 'generated-1', record: 'of nobody' }) },
    ]);
    const from = open({
      index: messages,
      related: [related('history', history, { on: 'message_id' })],
    });
    const ids = ['generated-1', 'generated-2', 'm3', 'generated-4'];
    const carried = await bothWays(
      from,
      ids.map((id) => claimed(messages, id)),
    );
    expect(ids.map((id) => recordsOf(carried, id))).toEqual([['one', 'two'], ['three'], [], []]);
    expect(ids.map((id) => carried.writer.counts.get(`${messages}/${id}`))).toEqual([
      [2],
      [1],
      ['no value'],
      [0],
    ]);
    // Its source is what it was: values are read beside it.
    expect(carried.document('generated-1')).toContain('"message":{"message_id":"m1","n":1}');
  });

  test('of which it has several values, and records have several keys', async () => {
    const { messages, history } = await indices({ threads: keyword }, { thread: keyword });
    await bulk(messages, [
      { id: 'a', source: source({ threads: ['t1', 't2', 't2'] }) },
      { id: 'b', source: source({ threads: 't2' }) },
    ]);
    await bulk(history, [
      { id: '1', source: source({ thread: 't1', record: 'first' }) },
      { id: '2', source: source({ thread: ['t2', 't1', 'other'], record: 'both' }) },
      { id: '3', source: source({ thread: ['other', 't2'], record: 'second' }) },
    ]);
    const join = { key: 'thread', on: 'threads' };
    const from = open({ index: messages, related: [related('history', history, join)] });
    const carried = await bothWays(from, [claimed(messages, 'a'), claimed(messages, 'b')]);
    expect(recordsOf(carried, 'a')).toEqual(['first', 'both', 'second']);
    expect(recordsOf(carried, 'b')).toEqual(['both', 'second']);
  });

  test('in an object, behind an alias, and the same for two related indices', async () => {
    const { messages, history } = await indices(
      {
        meta: { properties: { ref: keyword } },
        reference: { type: 'alias', path: 'meta.ref' },
      },
      { message: { properties: { ref: keyword } } },
    );
    await bulk(messages, [{ id: 'a', source: source({ meta: { ref: 'r"\\\n1' } }) }]);
    await bulk(history, [
      { id: '1', source: source({ message: { ref: 'r"\\\n1' }, record: 'one' }) },
    ]);
    const by = (name: string, on: string) => related(name, history, { key: 'message.ref', on });
    const from = open({
      index: messages,
      related: [by('history', 'meta.ref'), by('status', 'reference')],
    });
    const carried = await bothWays(from, [claimed(messages, 'a')]);
    expect(recordsOf(carried, 'a')).toEqual(['one']);
    expect(carried.writer.counts.get(`${messages}/a`)).toEqual([1, 1]);
  });
});

describe('records are joined by several fields', () => {
  test('and those of another tenant are not taken', async () => {
    const { messages, history } = await indices(
      { tenant: keyword },
      { tenant: keyword, message_id: keyword },
    );
    const both = `${messages}-2`;
    await createIndex(both, { properties: { timestamp: date, tenant: keyword } });
    await bulk(messages, [
      { id: '1', source: source({ tenant: 'a' }) },
      { id: '2', source: source({ tenant: 'b' }) },
      { id: '3', source: source({ text: 'of no tenant' }) },
    ]);
    await bulk(both, [{ id: '1', source: source({ tenant: 'b' }) }]);
    await bulk(history, [
      { id: 'r1', source: source({ tenant: 'a', message_id: '1', record: 'a1' }) },
      { id: 'r2', source: source({ tenant: 'b', message_id: '1', record: 'b1' }) },
      { id: 'r3', source: source({ tenant: 'a', message_id: '2', record: 'a2' }) },
      { id: 'r4', source: source({ tenant: 'b', message_id: '2', record: 'b2' }) },
      { id: 'r5', source: source({ tenant: ['a', 'b'], message_id: ['1', '2'], record: 'all' }) },
      { id: 'r6', source: source({ message_id: '3', record: 'of no tenant' }) },
    ]);
    const join = { key: ['tenant', 'message_id'], on: ['tenant', '_id'] };
    const from = open({
      index: `${messages},${both}`,
      related: [related('history', history, join)],
    });
    const carried = await bothWays(from, [
      claimed(messages, '1'),
      claimed(messages, '2'),
      claimed(messages, '3'),
      claimed(both, '1'),
    ]);
    expect(recordsOf(carried, '1')).toEqual(['a1', 'all']);
    expect(recordsOf(carried, '2')).toEqual(['b2', 'all']);
    expect(recordsOf(carried, '3')).toEqual([]);
    expect(recordsOf(carried, '1', both)).toEqual(['b1', 'all']);
    expect(carried.writer.counts.get(`${messages}/3`)).toEqual(['no value']);
  });

  test('one of which is the index', async () => {
    const { messages, history } = await indices({}, { index: keyword, message_id: keyword });
    const other = `${messages}-2`;
    await createIndex(other, { properties: { timestamp: date } });
    await put(messages, '1', '{}');
    await put(other, '1', '{}');
    await refresh(`${messages},${other}`);
    await bulk(history, [
      { id: 'r1', source: source({ index: messages, message_id: '1', record: 'first' }) },
      { id: 'r2', source: source({ index: other, message_id: '1', record: 'second' }) },
    ]);
    const join = { key: ['message_id', 'index'], on: ['_id', '_index'] };
    const from = open({ index: `${messages}*`, related: [related('history', history, join)] });
    const carried = await bothWays(from, [claimed(messages, '1'), claimed(other, '1')]);
    expect(recordsOf(carried, '1', messages)).toEqual(['first']);
    expect(recordsOf(carried, '1', other)).toEqual(['second']);
  });
});

describe('indices of messages have related indices of their own', () => {
  async function pairs(): Promise<{ prefix: string; first: string; second: string }> {
    const prefix = freshIndexPrefix();
    for (const month of ['2024-10', '2024-11']) {
      await createIndex(`${prefix}messages-${month}`, { properties: { timestamp: date } });
      await createIndex(`${prefix}history-${month}`, { properties: { message_id: keyword } });
      await put(`${prefix}messages-${month}`, '1', '{}');
      await put(`${prefix}history-${month}`, 'r', source({ message_id: '1', record: month }));
    }
    await refresh(`${prefix}*`);
    return { prefix, first: `${prefix}messages-2024-10`, second: `${prefix}messages-2024-11` };
  }

  test('and the same id has its own records in each', async () => {
    const { prefix, first, second } = await pairs();
    const index = [{ messages: '(.*)messages-(.*)', related: '$1history-$2' }];
    const from = open({ index: `${prefix}messages-*`, related: [related('history', index)] });
    const carried = await bothWays(from, [claimed(first, '1'), claimed(second, '1')]);
    expect(recordsOf(carried, '1', first)).toEqual(['2024-10']);
    expect(recordsOf(carried, '1', second)).toEqual(['2024-11']);
  });

  test('a pair matches whole names, the first that does', async () => {
    const { prefix, first, second } = await pairs();
    const index = [
      { messages: 'messages', related: `${prefix}nothing` },
      { messages: '.*-10', related: `${prefix}history-2024-11` },
      { messages: '.*', related: `${prefix}history-2024-10` },
    ];
    const from = open({ index: `${prefix}messages-*`, related: [related('history', index)] });
    const carried = await bothWays(from, [claimed(first, '1'), claimed(second, '1')]);
    expect(recordsOf(carried, '1', first)).toEqual(['2024-11']);
    expect(recordsOf(carried, '1', second)).toEqual(['2024-10']);
  });

  test('one that no pair matches is refused, and so is a pair whose index does not exist', async () => {
    const { prefix, first, second } = await pairs();
    const inspect = (messages: string, to: string, optional = false) => {
      const one = { ...related('history', [{ messages, related: to }]), optional };
      return open({ index: `${prefix}messages-*`, related: [one] }).inspectRelated(
        [first, second],
        never,
      );
    };
    expect(await rejection(inspect('.*-10', 'x'))).toMatchObject({
      kind: 'usage',
      message: `no pair of source.related.history.index matches the index ${second}, so nothing says where its records are`,
    });
    expect(await rejection(inspect('(.*)messages-(.*)', '$1audit-$2'))).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^there is no index .*audit-2024-1/) as string,
    });
    const [found] = await inspect('(.*)messages-(.*)', '$1audit-$2', true);
    expect(found?.indices.map(({ absent }) => absent)).toEqual(['allowed', 'allowed']);
  });

  test('a paired index that does not exist, and need not, gives no records', async () => {
    const { prefix, first } = await pairs();
    const index = [{ messages: '(.*)messages-(.*)', related: '$1audit-$2' }];
    const one = { ...related('history', index), optional: true };
    const from = open({ index: `${prefix}messages-*`, related: [one] });
    const carried = await bothWays(from, [claimed(first, '1')]);
    expect(recordsOf(carried, '1', first)).toEqual([]);
  });

  test('messages of an index that was not looked at are refused, not migrated without records', async () => {
    const { first } = await pairs();
    const from = open({ index: first });
    const unknown = { ...inspected('history', ''), absent: 'unknown' as const };
    const request = { source: from, related: [unknown], maxBytes: MIB, signal: never };
    const error = await rejection(fetchMessages(request, [claimed(first, '1')]));
    expect(isMigrateError(error) && error.kind).toBe('usage');
    const gone = await fetchMessages(request, [claimed(`${first}-gone`, '1')]);
    expect(gone.kind === 'fetched' && gone.failed.map(({ code }) => code)).toEqual(['missing']);
  });
});

describe('a value that is not indexed', () => {
  test('in the message is not taken for a missing one', async () => {
    const { messages, history } = await indices(
      { ref: { type: 'text', fields: { keyword: { type: 'keyword', ignore_above: 5 } } } },
      { ref: keyword },
    );
    await bulk(messages, [
      { id: 'short', source: source({ ref: 'abcde' }) },
      { id: 'long', source: source({ ref: 'abcdef' }) },
      { id: 'one-of-two', source: source({ ref: ['abc', 'abcdef'] }) },
      { id: 'none', source: source({}) },
    ]);
    await bulk(history, [{ id: 'r', source: source({ ref: 'abcdef', record: 'long' }) }]);
    const join = { key: 'ref', on: 'ref.keyword' };
    const from = open({ index: messages, related: [related('history', history, join)] });
    const carried = await bothWays(
      from,
      ['short', 'long', 'one-of-two', 'none'].map((id) => claimed(messages, id)),
    );
    expect(carried.failed).toEqual({ long: 'unindexed_key', 'one-of-two': 'unindexed_key' });
    expect(recordsOf(carried, 'none')).toEqual([]);
  });

  test('in the records is not taken for none', async () => {
    const { messages, history } = await indices(
      { ref: keyword },
      { ref: { type: 'keyword', ignore_above: 5 } },
    );
    await bulk(messages, [
      { id: 'a', source: source({ ref: ['abc', 'abcdef'] }) },
      { id: 'b', source: source({ ref: 'abc' }) },
    ]);
    const join = { key: 'ref', on: 'ref' };
    const from = open({ index: messages, related: [related('history', history, join)] });
    const carried = await bothWays(from, [claimed(messages, 'a'), claimed(messages, 'b')]);
    expect(carried.failed).toEqual({ a: 'unindexed_key' });
  });
});

describe("the message's field is refused", () => {
  test.each([
    [
      'text',
      { type: 'text' },
      'is text, not keyword',
      /Name a keyword field in source\.related\.history\.on/,
    ],
    ['a number', { type: 'long' }, 'is long, not keyword', /source\.related\.history\.on/],
    ['normalized', { type: 'keyword', normalizer: 'lowercase' }, 'has the normalizer', /without/],
    ['with a null_value', { type: 'keyword', null_value: 'NULL' }, 'has the null_value', /without/],
    ['without doc values', { type: 'keyword', doc_values: false }, 'has no doc values', /both/],
    ['not searchable', { type: 'keyword', index: false, doc_values: false }, 'not indexed', /both/],
    ['nested', undefined, 'has no field ref', /source\.related\.history\.on/],
  ])('%s', async (_, ref, message, advice) => {
    const fields = ref
      ? { ref }
      : { parts: { type: 'nested', properties: { ref: keyword } }, other: keyword };
    const { messages, history } = await indices(fields, { message_id: keyword });
    await bulk(messages, [{ id: 'a', source: '{}' }]);
    const from = open({ index: messages, related: [related('history', history, { on: 'ref' })] });
    const error = await rejection(from.inspectRelated([messages], never));
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(message) as string,
    });
    expect((error as { advice: string }).advice).toMatch(advice);
  });

  test('where an index with documents lacks it, but not where an empty one does', async () => {
    const { messages, history } = await indices({ ref: keyword }, { message_id: keyword });
    await createIndex(`${messages}-2`, { properties: { timestamp: date } });
    const from = open({
      index: `${messages}*`,
      related: [related('history', history, { on: 'ref' })],
    });
    const both = [messages, `${messages}-2`];
    expect(await from.inspectRelated(both, never)).toHaveLength(1);
    await bulk(`${messages}-2`, [{ id: 'a', source: '{}' }]);
    expect(await rejection(from.inspectRelated(both, never))).toMatchObject({
      message: `${messages}-2 has no field ref`,
    });
  });

  test('a null_value of the key is, too', async () => {
    const { messages, history } = await indices(
      {},
      { message_id: { type: 'keyword', null_value: 'none' } },
    );
    const from = open({ index: messages, related: [related('history', history)] });
    expect(await rejection(from.inspectRelated([messages], never))).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('has the null_value "none"') as string,
    });
  });
});
