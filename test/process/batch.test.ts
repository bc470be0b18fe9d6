import { describe, expect, test } from 'vitest';
import { isMigrateError } from '../../src/core/errors.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import {
  bulk,
  createIndex,
  es,
  open,
  put,
  refresh,
  rejection,
  related,
} from '../elasticsearch/support.js';
import { carry, claimed } from './support.js';

const keyword = { type: 'keyword' };
const textOf = (bytes: number) => `{"text":"${'x'.repeat(bytes - 11)}"}`;

async function messages(name = 'messages', settings = {}): Promise<string> {
  const index = `${freshIndexPrefix()}${name}`;
  await createIndex(index, { dynamic: false }, settings);
  return index;
}

/** Why the one that failed did. */
function detailOf({ outcomes }: Awaited<ReturnType<typeof carry>>['outcome']): string | undefined {
  return outcomes.find((one) => one.kind === 'failed')?.detail;
}

test('a page too large is split until it fits, and no message is lost', async () => {
  const index = await messages();
  const ids = Array.from({ length: 120 }, (_, i) => `m${i}`);
  // From a hundred bytes to 40 KB, where a page may have 60 KB.
  const sources = new Map(ids.map((id, i) => [id, textOf(100 + ((i * 37) % 40) * 1000)]));
  await bulk(
    index,
    ids.map((id) => ({ id, source: sources.get(id) ?? '' })),
  );
  const { document, failed } = await carry(
    open({ index }),
    ids.map((id) => claimed(index, id)),
    { pageBytes: 60_000 },
  );
  expect(failed).toEqual({});
  for (const id of ids) {
    expect(document(id)).toBe(
      `{"message_id":"${id}","index":"${index}","message":${sources.get(id) ?? ''}}`,
    );
  }
});

test('a message too large for any memory fails alone', async () => {
  const index = await messages();
  await bulk(index, [
    { id: 'huge', source: textOf(90_000) },
    { id: 'large', source: textOf(30_000) },
    { id: 'small', source: '{}' },
  ]);
  const { writer, failed, outcome } = await carry(
    open({ index }),
    ['huge', 'large', 'small'].map((id) => claimed(index, id)),
    { pageBytes: 10_000, largeBytes: 60_000 },
  );
  expect(failed).toEqual({ huge: 'too_large' });
  // With what Elasticsearch says of it besides.
  expect(detailOf(outcome)).toMatch(
    /^the message alone has 90\d{3} bytes; of this process's share of limits\.maxInFlightBytes one may have 60000$/,
  );
  expect([...writer.documents.keys()].sort()).toEqual([`${index}/large`, `${index}/small`]);
  expect(writer.staged).toBe(1);
});

test('a message with a record too large for any memory fails alone', async () => {
  const index = await messages();
  const history = `${index}-history`;
  await createIndex(history, { dynamic: false, properties: { message_id: keyword } });
  await bulk(
    index,
    ['a', 'b'].map((id) => ({ id, source: '{}' })),
  );
  const record = (key: string, bytes: number) =>
    `{"message_id":"${key}","text":"${'x'.repeat(bytes)}"}`;
  await bulk(history, [
    { id: '1', source: record('a', 90_000) },
    { id: '2', source: record('b', 40_000) },
    { id: '3', source: record('b', 40_000) },
  ]);
  const source = open({ index, related: [related('history', history)] });
  const { failed, document, outcome } = await carry(
    source,
    ['a', 'b'].map((id) => claimed(index, id)),
    {
      pageBytes: 10_000,
      largeBytes: 85_000,
    },
  );
  expect(failed).toEqual({ a: 'too_large' });
  expect(detailOf(outcome)).toMatch(
    /^a record of \S+-history alone has 90\d{3} bytes; of this process's share of limits\.maxInFlightBytes one may have 85000$/,
  );
  const two = `${record('b', 40_000)},${record('b', 40_000)}`;
  expect(document('b')).toBe(
    `{"message_id":"b","index":"${index}","message":{},"history":[${two}]}`,
  );
});

test('more than 10,000 records of a page of messages: each has its own', async () => {
  const index = await messages();
  const history = `${index}-history`;
  await createIndex(history, { properties: { message_id: keyword, n: { type: 'long' } } });
  const ids = Array.from({ length: 45 }, (_, i) => `m${i}`);
  await bulk(
    index,
    ids.map((id) => ({ id, source: '{}' })),
  );
  const records = ids.flatMap((id) =>
    Array.from({ length: 300 }, (_, n) => ({
      id: `${id}-${n}`,
      source: `{"message_id":"${id}","n":${n}}`,
    })),
  );
  await bulk(history, records);
  const source = open({ index, related: [related('history', history, { sort: 'n' })] });
  const { document, failed, writer } = await carry(
    source,
    ids.map((id) => claimed(index, id)),
  );
  expect(failed).toEqual({});
  expect(writer.staged).toBe(0);
  for (const id of ids) {
    const own = records.filter((one) => one.id.startsWith(`${id}-`)).map((one) => one.source);
    expect(document(id)).toBe(
      `{"message_id":"${id}","index":"${index}","message":{},"history":[${own.join(',')}]}`,
    );
  }
});

describe('messages that cannot be carried', () => {
  test('of an index that was closed meanwhile end the batch, with one clear line', async () => {
    const [index, closed] = [await messages(), await messages('closed')];
    await put(index, 'a', '{"n":1}');
    await put(closed, 'b', '{"n":2}');
    await refresh(index);
    await es('POST', `/${closed}/_close`);
    const carrying = carry(open({ index }), [claimed(index, 'a'), claimed(closed, 'b')]);
    await expect(carrying).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('was closed meanwhile') as string,
    });
  });

  test('gone: missing, and the rest goes on', async () => {
    const index = await messages();
    await bulk(index, [{ id: 'here', source: '{}' }]);
    for (const sizes of [{}, { pageBytes: 1 }]) {
      const { failed, document, writer } = await carry(
        open({ index }),
        ['gone', 'here'].map((id) => claimed(index, id)),
        sizes,
      );
      expect(failed).toEqual({ gone: 'missing' });
      expect(document('here')).toBe(`{"message_id":"here","index":"${index}","message":{}}`);
      expect(writer.discarded).toBe(1);
    }
  });

  test('their index deleted: all missing, those of another index go on', async () => {
    const index = await messages();
    const other = await messages();
    await bulk(other, [{ id: 'b', source: '{}' }]);
    await es('DELETE', `/${index}`);
    const both = [claimed(index, 'a'), claimed(other, 'b')];
    const { failed, document } = await carry(open({ index }), both);
    expect(failed).toEqual({ a: 'missing' });
    expect(document('b', other)).toBeDefined();
  });

  test('the same id under two routings: ambiguous_id', async () => {
    const index = await messages('messages', { number_of_shards: 3 });
    const routings = Array.from({ length: 40 }, (_, i) => `r${i}`);
    for (const routing of routings) await put(index, 'twice', `{"r":"${routing}"}`, routing);
    await put(index, 'once', '{}', 'r1');
    await refresh(index);
    for (const sizes of [{}, { pageBytes: 1 }]) {
      const { failed, document } = await carry(
        open({ index }),
        ['once', 'twice'].map((id) => claimed(index, id)),
        sizes,
      );
      expect(failed).toEqual({ twice: 'ambiguous_id' });
      expect(document('once')).toBeDefined();
    }
  });

  test('an id too long for the key: unindexed_key, never without its records', async () => {
    const index = await messages();
    const history = `${index}-history`;
    await createIndex(history, {
      properties: { message_id: { type: 'keyword', ignore_above: 8 } },
    });
    const ids = ['12345678', '123456789'];
    await bulk(
      index,
      ids.map((id) => ({ id, source: '{}' })),
    );
    await bulk(
      history,
      ids.map((id) => ({ id, source: `{"message_id":"${id}"}` })),
    );
    const source = open({ index, related: [related('history', history)] });
    for (const sizes of [{}, { pageBytes: 1 }]) {
      const { failed, document } = await carry(
        source,
        ids.map((id) => claimed(index, id)),
        sizes,
      );
      expect(failed).toEqual({ '123456789': 'unindexed_key' });
      expect(document('12345678')).toContain('"history":[{"message_id":"12345678"}]');
    }
  });
});

test('the same id in two indices is two messages', async () => {
  const one = await messages();
  const two = await messages();
  await put(one, 'a', '{"n":1}');
  await put(two, 'a', '{"n":2}');
  await Promise.all([refresh(one), refresh(two)]);
  const { document } = await carry(open(), [claimed(one, 'a'), claimed(two, 'a')]);
  expect(document('a', one)).toBe(`{"message_id":"a","index":"${one}","message":{"n":1}}`);
  expect(document('a', two)).toBe(`{"message_id":"a","index":"${two}","message":{"n":2}}`);
});

test('a related index that is gone ends the batch, with one clear line', async () => {
  const index = await messages();
  const history = `${index}-history`;
  await createIndex(history, { properties: { message_id: keyword } });
  await bulk(index, [{ id: 'a', source: '{}' }]);
  const source = open({ index, related: [related('history', history)] });
  const checked = { ...source, inspectRelated: () => Promise.resolve(known) };
  const known = await source.inspectRelated([], new AbortController().signal);
  await es('DELETE', `/${history}`);
  for (const sizes of [{}, { pageBytes: 1 }]) {
    const error = await rejection(carry(checked, [claimed(index, 'a')], sizes));
    expect(isMigrateError(error) && error.message).toBe(
      `the related index ${history} (source.related.history) is gone`,
    );
  }
});

test('an interrupted batch is discarded, and says so', async () => {
  const index = await messages();
  await bulk(index, [{ id: 'a', source: '{}' }]);
  const source = open({ index });
  const broken = { ...source, messages: () => Promise.reject(new Error('broken')) };
  await expect(carry(broken, [claimed(index, 'a')])).rejects.toThrow('broken');
});
