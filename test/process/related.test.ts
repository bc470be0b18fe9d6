import { describe, expect, test } from 'vitest';
import { freshIndexPrefix } from '../support/sandbox.js';
import { bulk, createIndex, open, put, refresh, related } from '../elasticsearch/support.js';
import { carry, claimed } from './support.js';

const keyword = { type: 'keyword' };
const date = { type: 'date' };
const record = (id: string, at: string, key = '"m"') => ({
  id,
  source: `{"message_id":${key},"at":${at},"record":${JSON.stringify(id)}}`,
});

/** Sizes that make every message be read alone, as one too large for a page is. */
const ALONE = { pageBytes: 1 };

/** A message index with one message `m`, and whatever names the related indices start with. */
async function indices(): Promise<{ messages: string; prefix: string }> {
  const prefix = freshIndexPrefix();
  const messages = `${prefix}messages`;
  await createIndex(messages, { properties: { timestamp: date } });
  await put(messages, 'm', '{"text":"hello"}');
  await refresh(messages);
  return { messages, prefix };
}

const recordsOf = (document: string | undefined): string[] =>
  (JSON.parse(document ?? '{}') as { history: { record: string }[] }).history.map(
    (one) => one.record,
  );

/** The order of a message's records, read with others and read alone: it must be the same. */
async function order(messages: string, index: string, sort?: string): Promise<string[]> {
  const source = open({
    index: messages,
    related: [related('history', index, sort === undefined ? {} : { sort })],
  });
  const together = await carry(source, [claimed(messages, 'm')]);
  const alone = await carry(source, [claimed(messages, 'm')], ALONE);
  expect(together.writer.staged).toBe(0);
  expect(alone.writer.staged).toBe(1);
  expect(alone.document('m')).toBe(together.document('m'));
  return recordsOf(together.document('m'));
}

describe('order', () => {
  test('by sort, missing values last, ties by index, then by the bytes of _id', async () => {
    const { messages, prefix } = await indices();
    const mappings = { properties: { message_id: keyword, at: date } };
    await createIndex(`${prefix}history-b`, mappings, { number_of_shards: 2 });
    await createIndex(`${prefix}history-a`, mappings);
    await bulk(`${prefix}history-b`, [
      record('late', '"2024-10-03"'),
      record('none', 'null'),
      record('b2', '"2024-10-02"'),
      record('B1', '"2024-10-02"'),
      record('é1', '"2024-10-02"'),
      record('10', '"2024-10-02"'),
      record('9', '"2024-10-02"'),
    ]);
    await bulk(`${prefix}history-a`, [
      record('z', '"2024-10-02"'),
      record('early', '"2024-10-01"'),
      record('a none', 'null'),
    ]);
    expect(await order(messages, `${prefix}history-*`, 'at')).toEqual([
      'early',
      'z',
      '10',
      '9',
      'B1',
      'b2',
      'é1',
      'late',
      'a none',
      'none',
    ]);
  });

  test('without sort, by index and _id', async () => {
    const { messages, prefix } = await indices();
    const mappings = { properties: { message_id: keyword } };
    await createIndex(`${prefix}history-b`, mappings);
    await createIndex(`${prefix}history-a`, mappings);
    await bulk(`${prefix}history-b`, [record('2', '1'), record('10', '1'), record('1', '1')]);
    await bulk(`${prefix}history-a`, [record('3', '1')]);
    expect(await order(messages, `${prefix}history-*`)).toEqual(['3', '1', '10', '2']);
  });

  test('by nanoseconds, also where another index has milliseconds', async () => {
    const { messages, prefix } = await indices();
    await createIndex(`${prefix}history-nanos`, {
      properties: { message_id: keyword, at: { type: 'date_nanos' } },
    });
    await createIndex(`${prefix}history-millis`, { properties: { message_id: keyword, at: date } });
    // As doubles, the nanoseconds would be equal.
    await bulk(`${prefix}history-nanos`, [
      record('1', '"2024-10-01T00:00:00.000000003Z"'),
      record('2', '"2024-10-01T00:00:00.000000001Z"'),
      record('3', '"2024-10-01T00:00:00.000000002Z"'),
      record('4', '"2024-10-01T00:00:00.002000001Z"'),
      record('none', 'null'),
    ]);
    await bulk(`${prefix}history-millis`, [
      record('5', '"2024-10-01T00:00:00.001Z"'),
      record('6', '"2024-10-01T00:00:00.002Z"'),
      record('0', '"2024-09-30T23:59:59.999Z"'),
    ]);
    expect(await order(messages, `${prefix}history-nanos`, 'at')).toEqual([
      '2',
      '3',
      '1',
      '4',
      'none',
    ]);
    expect(await order(messages, `${prefix}history-*`, 'at')).toEqual([
      '0',
      '2',
      '3',
      '1',
      '5',
      '6',
      '4',
      'none',
    ]);
  });

  test.each<[string, string, string[]]>([
    ['keyword', 'bytes', ['"10"', '"9"', '"a"', '"é"', '"ｚ"', '"😀"', 'null']],
    ['long', 'value', ['-9223372036854775808', '9007199254740992', '9007199254740993', 'null']],
    ['double', 'value', ['-1e300', '-1', '0.5', '9', '10', '1e300', 'null']],
    ['boolean', 'value', ['false', 'true', 'null']],
    ['ip', 'address', ['"9.0.0.1"', '"10.0.0.1"', '"::ffff:ffff:1"', 'null']],
  ])('of %s by %s', async (type, _, values) => {
    const { messages, prefix } = await indices();
    const history = `${prefix}history`;
    await createIndex(history, { properties: { message_id: keyword, at: { type } } });
    // Ids against the order, so that a tie broken by mistake shows.
    const records = values.map((value, i) => record(`r${values.length - i}`, value));
    if (type === 'ip') records.splice(2, 1);
    await bulk(history, [...records].reverse());
    expect(await order(messages, history, 'at')).toEqual(records.map(({ id }) => id));
  });
});

test('a record of several messages belongs to each of them, once', async () => {
  const { messages, prefix } = await indices();
  await put(messages, 'n', '{"text":"two"}');
  await put(messages, 'o', '{"text":"none"}');
  await refresh(messages);
  const history = `${prefix}history`;
  await createIndex(history, { properties: { message_id: keyword } });
  await bulk(history, [
    record('both', '1', '["n","m","m","elsewhere"]'),
    record('one', '1', '"n"'),
    record('nobody', '1', '"M"'),
  ]);
  const source = open({ index: messages, related: [related('history', history)] });
  const { document } = await carry(
    source,
    ['m', 'n', 'o'].map((id) => claimed(messages, id)),
  );
  expect(recordsOf(document('m'))).toEqual(['both']);
  expect(recordsOf(document('n'))).toEqual(['both', 'one']);
  expect(document('o')).toBe(
    `{"message_id":"o","index":"${messages}","message":{"text":"none"},"history":[]}`,
  );
});

test('a key may be an alias, or a field of a field', async () => {
  const { messages, prefix } = await indices();
  const history = `${prefix}history`;
  await createIndex(history, {
    properties: {
      message_id: { type: 'text', fields: { keyword } },
      other: { type: 'alias', path: 'message_id.keyword' },
    },
  });
  await bulk(history, [record('r', '1')]);
  for (const key of ['other', 'message_id.keyword']) {
    const source = open({ index: messages, related: [related('history', history, { key })] });
    expect(recordsOf((await carry(source, [claimed(messages, 'm')])).document('m'))).toEqual(['r']);
  }
});

test('documents are laid out as written, on one line', async () => {
  const { messages, prefix } = await indices();
  const id = 'ä"\\/ ';
  await put(messages, id, '{\r\n "n" : 9007199254740993,\n"x":1.10}');
  await refresh(messages);
  const mappings = { dynamic: false, properties: { message_id: keyword } };
  await createIndex(`${prefix}h`, mappings);
  await createIndex(`${prefix}s`, mappings);
  const key = JSON.stringify(id);
  await put(`${prefix}h`, '1', `{"message_id":${key},\n"n":1e400}`);
  await put(`${prefix}h`, '2', `{"message_id":${key},"n":-0.0}`);
  await refresh(`${prefix}h`);
  const source = open({
    index: messages,
    related: [related('status', `${prefix}s`), related('history', `${prefix}h`)],
  });
  const expected =
    `{"message_id":${key},"index":"${messages}","message":{   "n" : 9007199254740993, "x":1.10},` +
    `"status":[],"history":[{"message_id":${key}, "n":1e400},{"message_id":${key},"n":-0.0}]}`;
  for (const sizes of [{}, ALONE]) {
    expect((await carry(source, [claimed(messages, id)], sizes)).document(id)).toBe(expected);
  }
});

describe('many records', () => {
  test('25,000 of one message, beside messages with few: each has its own, in order', async () => {
    const { messages, prefix } = await indices();
    const history = `${prefix}history`;
    await createIndex(
      history,
      { properties: { message_id: keyword, at: { type: 'long' } } },
      { number_of_shards: 2 },
    );
    const many = Array.from({ length: 25_000 }, (_, i) => ({
      id: `r${(i * 7919) % 25_000}`,
      // Three records each share a value.
      source: `{"message_id":"m","at":${Math.floor(i / 3)}}`,
    }));
    const others = Array.from({ length: 40 }, (_, i) => `other-${i}`);
    await bulk(history, [
      ...many,
      ...others.map((id) => ({ id: `of-${id}`, source: `{"message_id":"${id}","at":1}` })),
    ]);
    await bulk(
      messages,
      others.map((id) => ({ id, source: '{}' })),
    );
    const source = open({
      index: messages,
      related: [related('history', history, { sort: 'at' })],
    });
    const all = [...others.slice(0, 20), 'm', ...others.slice(20)];
    const { document, failed, writer } = await carry(
      source,
      all.map((id) => claimed(messages, id)),
    );
    expect(failed).toEqual({});
    expect(writer.documents.size).toBe(41);
    expect(writer.staged).toBe(1);
    const byId = new Map(many.map(({ id, source: text }) => [id, text]));
    const at = (id: string) => (JSON.parse(byId.get(id) ?? '') as { at: number }).at;
    const expected = [...byId.keys()].sort((a, b) => at(a) - at(b) || (a < b ? -1 : 1));
    expect(document('m')).toBe(
      `{"message_id":"m","index":"${messages}","message":{"text":"hello"},` +
        `"history":[${expected.map((id) => byId.get(id) ?? '').join(',')}]}`,
    );
    for (const id of others) {
      expect(document(id)).toBe(
        `{"message_id":"${id}","index":"${messages}","message":{},"history":[{"message_id":"${id}","at":1}]}`,
      );
    }
  });

  test('3,000 of the same value are in order across pages', async () => {
    const { messages, prefix } = await indices();
    const history = `${prefix}history`;
    await createIndex(
      history,
      { properties: { message_id: keyword, at: date } },
      { number_of_shards: 3 },
    );
    const ids = Array.from({ length: 3000 }, (_, i) => `r${(i * 7919) % 3000}`);
    await bulk(history, [
      ...ids.map((id) => record(id, '"2024-10-01"')),
      record('first', '"2024-09-30"'),
      record('last', '"2024-10-02"'),
    ]);
    expect(await order(messages, history, 'at')).toEqual(['first', ...[...ids].sort(), 'last']);
  });

  test('more of one value than can be put in order in memory: too_large, and not a part of them', async () => {
    const { messages, prefix } = await indices();
    const history = `${prefix}history`;
    await createIndex(history, { properties: { message_id: keyword, at: date } });
    const ids = Array.from({ length: 1000 }, (_, i) => `r${i}`);
    await bulk(
      history,
      ids.map((id) => record(id, '"2024-10-01"')),
    );
    const source = open({
      index: messages,
      related: [related('history', history, { sort: 'at' })],
    });
    const { outcome } = await carry(source, [claimed(messages, 'm')], {
      pageBytes: 1,
      largeBytes: 20_000,
    });
    expect(outcome.outcomes).toMatchObject([
      {
        code: 'too_large',
        detail: `its records with the same at in ${history} exceed the 20000 bytes in which they can be put in order`,
      },
    ]);
  });
});
