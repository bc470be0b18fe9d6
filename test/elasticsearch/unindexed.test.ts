import { expect, test } from 'vitest';
import { relatedFor } from '../../src/core/elasticsearch/join.js';
import { hasValueAt } from '../../src/core/elasticsearch/source-value.js';
import { add, addRecords, indices, keyword, probe } from './probe-support.js';
import { es, never, open, put, related } from './support.js';

/** Maps a field that documents of the index have already: those are not found by it. */
const mapLate = (index: string) =>
  es('PUT', `/${index}/_mapping`, JSON.stringify({ properties: { message_id: keyword } }));

const warnings = (said: readonly string[]) => said.filter((line) => !line.startsWith('probe of'));

test('records that were written before the key was mapped are counted', async () => {
  const { messages, history } = await indices({}, {});
  await es('PUT', `/${history}/_mapping`, '{"dynamic":false}');
  await add(messages, 6);
  await addRecords(history, 3, (n) => ({ message_id: `m${n}` }));
  await mapLate(history);
  for (const n of [3, 4, 5]) await put(history, `late${n}`, `{"message_id":"m${n}"}`);
  await es('PUT', `/${history}/_doc/old?refresh`, '{"at":0}');
  const settings = { index: messages, related: [related('history', history)] };
  const { said } = await probe(settings);
  expect(warnings(said)).toEqual([
    `4 records in ${history} without message_id in the index (source.related.history): no message has them; if the field was mapped after they were written, run _update_by_query on the index`,
  ]);
  const source = open(settings);
  const [one] = relatedFor(await source.inspectRelated([messages], never), messages);
  if (!one) throw new Error('one was asked for');
  expect(await source.countWithoutKey(one, never)).toBe(4);
  expect(await source.countWithoutKey({ ...one, absent: 'allowed' }, never)).toBe(0);
});

test('messages whose field was mapped after they were written are told, and those that lack it are not', async () => {
  const { messages, history } = await indices({}, { message_id: keyword });
  await es('PUT', `/${messages}/_mapping`, '{"dynamic":false}');
  await add(messages, 4, (n) => (n === 0 ? {} : { message_id: `m${n}` }));
  await mapLate(messages);
  await addRecords(history, 4, (n) => ({ message_id: `x${n}` }));
  const { said } = await probe({
    index: messages,
    related: [{ ...related('history', history, { on: 'message_id' }), optional: true }],
  });
  expect(warnings(said)).toEqual([
    `3 of 4 sampled messages without message_id in the index have a value of it in their _source: it was mapped after they were written, so their records would not be found; run _update_by_query on ${messages}`,
  ]);
});

test.each([
  ['{"a":"x"}', 'a', true],
  ['{"a":"x"}', 'a.keyword', true],
  ['{"a":{"b":[null,7]}}', 'a.b', true],
  ['{"a":[{"c":1},{"b":"x"}]}', 'a.b.keyword', true],
  ['{"a.b":"x"}', 'a.b', true],
  ['{"a":{"b.c":""}}', 'a.b.c', true],
  ['{"a":null}', 'a', false],
  ['{"a":[]}', 'a', false],
  ['{"a":{}}', 'a', false],
  ['{"a":{"c":"x"}}', 'a.b', false],
  ['{"b":"a"}', 'a', false],
  ['{}', 'a', false],
])('%s has a value at %s: %s', (source, field, has) => {
  expect(hasValueAt(Buffer.from(source), field)).toBe(has);
});
