import { describe, expect, test } from 'vitest';
import type { Hit } from '../../src/core/elasticsearch/hit.js';
import type { RelatedIndex } from '../../src/core/elasticsearch/inspect-related.js';
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
} from '../elasticsearch/support.js';
import { carry, claimed } from './support.js';

/** Messages `a` and `b` with 300 records each, one of them read alone. */
async function prepared(): Promise<{ index: string; source: Source }> {
  const index = `${freshIndexPrefix()}messages`;
  const history = `${index}-history`;
  await createIndex(index, { dynamic: false });
  await createIndex(history, { properties: { message_id: { type: 'keyword' } } });
  await bulk(
    index,
    ['a', 'b'].map((id) => ({ id, source: '{}' })),
  );
  await bulk(
    history,
    Array.from({ length: 600 }, (_, i) => ({
      id: `r${i}`,
      source: `{"message_id":"${i % 2 === 0 ? 'a' : 'b'}"}`,
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
  const one = (name: string): RelatedIndex => ({
    name,
    index: name,
    key: 'message_id',
    longestKey: 512,
    cautions: [],
  });
  let stopped = 0;
  const failing: Source = {
    ...source,
    records: async ({ name }, { signal }) => {
      if (name === 'broken') throw new Error('broken');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      stopped += 1;
      signal.throwIfAborted();
      throw new Error('it was stopped');
    },
  };
  const request = {
    source: failing,
    related: [one('history'), one('broken'), one('audit')],
    maxBytes: MIB,
    signal: never,
  };
  const error = await rejection(fetchMessages(request, [claimed(index, 'a')]));
  expect((error as Error).message).toBe('broken');
  expect(stopped).toBe(2);
});
