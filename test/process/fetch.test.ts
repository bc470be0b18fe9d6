import { describe, expect, test } from 'vitest';
import { parseSearch } from '../../src/core/elasticsearch/answer.js';
import type { Hit } from '../../src/core/elasticsearch/hit.js';
import { BROKEN_READ } from '../../src/core/elasticsearch/related.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import { Fault } from '../../src/core/fault.js';
import { fetchMessages } from '../../src/core/process/fetch.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import {
  bulk,
  createIndex,
  MIB,
  never,
  open,
  rejection,
  related,
  inspected,
} from '../elasticsearch/support.js';
import { carry, claimed } from './support.js';

/** Messages `a` and another with 300 records each, one of them read alone. */
async function prepared(other = 'b'): Promise<{ index: string; source: Source }> {
  const index = `${freshIndexPrefix()}messages`;
  const history = `${index}-history`;
  await createIndex(index, { dynamic: false });
  await createIndex(history, { properties: { message_id: { type: 'keyword' } } });
  await bulk(
    index,
    ['a', other].map((id) => ({ id, source: '{}' })),
  );
  await bulk(
    history,
    Array.from({ length: 600 }, (_, i) => ({
      id: `r${i}`,
      source: `{"message_id":"${i % 2 === 0 ? 'a' : other}"}`,
    })),
  );
  return { index, source: open({ index, related: [related('history', history)] }) };
}

/** Reading records breaks behind the first page, the given number of times. */
function breaking(source: Source, times: number): Source {
  let left = times;
  return {
    ...source,
    async *recordPages(
      ...request: Parameters<Source['recordPages']>
    ): AsyncGenerator<readonly Hit[]> {
      for await (const page of source.recordPages(...request)) {
        yield page;
        if (left > 0) {
          left -= 1;
          throw new Fault('Elasticsearch', 'request', BROKEN_READ, 'the point in time is gone');
        }
      }
    },
  };
}

describe('records whose reading breaks half-way', () => {
  test('are read again from the start: the document is whole, and no record is in it twice', async () => {
    const { index, source } = await prepared();
    const messages = ['a', 'b'].map((id) => claimed(index, id));
    const undisturbed = await carry(source, messages, { pageBytes: 1 });
    const disturbed = await carry(breaking(source, 2), messages, { pageBytes: 1 });
    expect(disturbed.failed).toEqual({});
    expect(disturbed.writer.documents).toEqual(undisturbed.writer.documents);
    expect(disturbed.document('a')?.split('message_id')).toHaveLength(302);
  });

  test('again and again: Elasticsearch counts as down, and no message pays for it', async () => {
    const { index, source } = await prepared();
    const messages = ['a', 'b'].map((id) => claimed(index, id));
    const carrying = carry(breaking(source, 3), messages, { pageBytes: 1 });
    await expect(carrying).rejects.toMatchObject({ kind: 'unavailable' });
  });
});

test('where one search of records fails the others are stopped, and none goes on behind it', async () => {
  const { index, source } = await prepared();
  let stopped = 0;
  const failing: Source = {
    ...source,
    records: async ({ name }, _, { signal }) => {
      if (name === 'broken') throw new Error('broken');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      stopped += 1;
      signal.throwIfAborted();
      throw new Error('it was stopped');
    },
  };
  const request = {
    source: failing,
    related: ['history', 'broken', 'audit'].map((name) => inspected(name, name)),
    maxBytes: MIB,
    signal: never,
  };
  const error = await rejection(fetchMessages(request, [claimed(index, 'a')]));
  expect((error as Error).message).toBe('broken');
  expect(stopped).toBe(2);
});

describe('a record that is found', () => {
  const withRecord = (source: Source, fields: string): Source => ({
    ...source,
    records: () => {
      const hit = `{"_index":"h","_id":"r","_source":{"n":1},"fields":${fields},"sort":[1]}`;
      const { hits } = parseSearch(Buffer.from(`{"hits":{"hits":[${hit}]}}`));
      return Promise.resolve({ kind: 'hits', hits, bytes: 1, tookMs: 1 });
    },
  });
  const history = inspected('history', 'h');

  test.each([
    ['{"message_id":["23"]}', 'none but what it was found by'],
    ['{"message_id":[23]}', 'a number'],
    ['{"message_id":["x","23","23"]}', 'several, one of them twice'],
    ['{ "message_id" : [ "\\u0032\\u0033" ] , "other" : ["x"] }', 'one spelled in another way'],
  ])('with the key values %s is its message’s, once: %s', async (fields) => {
    const { index, source } = await prepared('23');
    const request = { related: [history], maxBytes: MIB, signal: never };
    const fetched = await fetchMessages({ ...request, source: withRecord(source, fields) }, [
      claimed(index, 'a'),
      claimed(index, '23'),
    ]);
    if (fetched.kind !== 'fetched') throw new Error(fetched.reason);
    const records = fetched.messages.map(({ message, related: [list] }) => [
      message.id.toString(),
      list?.records.map(({ id }) => id),
    ]);
    expect(records).toEqual([
      ['a', []],
      ['23', ['r']],
    ]);
  });

  test.each([
    ['{"message_id":["12","234"]}'],
    ['{"message_id":[1234]}'],
    ['{"other":["a"]}'],
    ['{}'],
  ])('and has %s, nothing that was asked for, is not left out without a word', async (fields) => {
    const { index, source } = await prepared('23');
    const request = { related: [history], maxBytes: MIB, signal: never };
    const error = await rejection(
      fetchMessages({ ...request, source: withRecord(source, fields) }, [
        claimed(index, 'a'),
        claimed(index, '23'),
      ]),
    );
    expect((error as Error).message).toMatch(/^h: record r was found/);
  });
});
