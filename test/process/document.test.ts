import { expect, test } from 'vitest';
import { parseSearch } from '../../src/core/elasticsearch/answer.js';
import { assembleDocument } from '../../src/core/process/document.js';
import { Slab } from '../../src/core/process/slab.js';
import { MIB } from '../elasticsearch/support.js';
import { claimed } from './support.js';

/** Sources of very different sizes, each full of its own number. */
const source = (n: number) => `{"n":"${`${n} `.repeat((n * 37) % 1_000)}"}`;

function hitsOf(first: number, count: number) {
  const hits = Array.from(
    { length: count },
    (_, i) => `{"_index":"i","_id":"m${first + i}","_source":${source(first + i)}}`,
  );
  return parseSearch(Buffer.from(`{"hits":{"hits":[${hits.join(',')}]}}`)).hits;
}

test.each([8 * MIB, 64 << 10, 1])(
  'documents of one page lie in each other’s way nowhere, pages of %i bytes',
  (pageBytes) => {
    const slab = new Slab(pageBytes);
    const hits = hitsOf(0, 1_500);
    const documents = hits.map((hit, n) =>
      assembleDocument(
        claimed('i', `m${n}`),
        hit,
        [
          { name: 'history', records: hits.slice(n + 1, n + 1 + (n % 4)) },
          { name: 'audit', records: [] },
        ],
        slab,
      ),
    );
    const expected = hits.map((_, n) => {
      const records = Array.from({ length: Math.min(n % 4, 1_499 - n) }, (_, i) =>
        source(n + 1 + i),
      );
      return `{"message_id":"m${n}","index":"i","message":${source(n)},"history":[${records.join(',')}],"audit":[]}`;
    });
    expect(documents.map(String)).toEqual(expected);
  },
);

test('a hit without a source becomes no document', () => {
  const [hit] = parseSearch(Buffer.from('{"hits":{"hits":[{"_index":"i","_id":"a"}]}}')).hits;
  if (!hit) throw new Error('no hit');
  expect(() => assembleDocument(claimed('i', 'a'), hit, [], new Slab(MIB))).toThrow('no source');
});
