import { expect, test } from 'vitest';
import { parseSearch } from '../../src/core/elasticsearch/answer.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import { Revision } from '../../src/core/process/revision.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { bulk, createIndex, es, open, put, refresh, related } from '../elasticsearch/support.js';
import { carry, claimed } from './support.js';

/** Sizes that make every message be read alone, as one too large for a page is. */
const ALONE = { pageBytes: 1 };
const record = (id: string, key: string) => ({
  id,
  source: `{"message_id":"${key}","at":"2024-10-01"}`,
});

/** Messages `a` and `b` with history and audit, 700 records of `a` among them: several pages when it is read alone. */
async function prepared(): Promise<{ index: string; history: string; source: Source }> {
  const index = `${freshIndexPrefix()}messages`;
  const [history, audit] = [`${index}-history`, `${index}-audit`];
  await createIndex(index, { dynamic: false }, { number_of_shards: 2 });
  const properties = { message_id: { type: 'keyword' }, at: { type: 'date' } };
  for (const name of [history, audit]) await createIndex(name, { properties });
  await bulk(
    index,
    ['a', 'b'].map((id) => ({ id, source: '{"n":1}' })),
  );
  await bulk(history, [
    ...Array.from({ length: 700 }, (_, i) => record(`a${i}`, 'a')),
    record('b1', 'b'),
    record('b2', 'b'),
  ]);
  await bulk(audit, [record('c', 'a')]);
  const source = open({
    index,
    related: [related('history', history, { sort: 'at' }), related('audit', audit)],
  });
  return { index, history, source };
}

async function revisions(index: string, source: Source): Promise<{ a: number; b: number }> {
  const both = ['a', 'b'].map((id) => claimed(index, id));
  const together = await carry(source, both);
  const alone = await carry(source, both, ALONE);
  expect([together.writer.staged, alone.writer.staged]).toEqual([0, 2]);
  const [a, b] = ['a', 'b'].map((id) => {
    expect(alone.revision(id)).toBe(together.revision(id));
    return together.revision(id);
  });
  if (a === undefined || b === undefined) throw new Error('a message has no revision');
  for (const one of [a, b]) expect(one >= 0 && one < 2 ** 32 && Number.isInteger(one)).toBe(true);
  return { a, b };
}

test('a revision stays while nothing is written, and changes with whatever is, for that message alone', async () => {
  const { index, history, source } = await prepared();
  const seen = [await revisions(index, source)];
  const now = async () => {
    seen.unshift(await revisions(index, source));
    return { is: seen[0], was: seen[1] };
  };
  const unchanged = await now();
  expect(unchanged.is).toEqual(unchanged.was);
  expect(unchanged.is?.a).not.toBe(unchanged.is?.b);

  const writings: [string, () => Promise<unknown>][] = [
    ['the message, with the same content', () => put(index, 'b', '{"n":1}')],
    ['the message, with other content', () => put(index, 'b', '{"n":2}')],
    ['a record more', () => put(history, 'b3', record('b3', 'b').source)],
    ['a record again', () => put(history, 'b1', record('b1', 'b').source)],
    ['a record that is gone', () => es('DELETE', `/${history}/_doc/b2`)],
    ['a record that is another message’s now', () => put(history, 'b3', '{"message_id":"z"}')],
  ];
  for (const [what, write] of writings) {
    await write();
    await Promise.all([refresh(index), refresh(history)]);
    const { is, was } = await now();
    expect(is?.b, what).not.toBe(was?.b);
    expect(is?.a, what).toBe(was?.a);
  }
  expect(new Set(seen.map(({ b }) => b)).size).toBe(seen.length - 1);
});

test('a message without any related index has one, too', async () => {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { dynamic: false });
  await put(index, 'a', '{}');
  await refresh(index);
  const first = (await carry(open({ index }), [claimed(index, 'a')])).revision('a');
  expect(first).toBeTypeOf('number');
  await put(index, 'a', '{}');
  await refresh(index);
  expect((await carry(open({ index }), [claimed(index, 'a')])).revision('a')).not.toBe(first);
});

test('where one document comes without a sequence number there is none', () => {
  const answer = (numbers: string) =>
    parseSearch(
      Buffer.from(`{"hits":{"hits":[{"_index":"i","_id":"a",${numbers}"_source":{"n":1}}]}}`),
    ).hits;
  const [known] = answer('"_seq_no":9007199254740993,"_primary_term":2,');
  const [unknown] = answer('');
  if (!known || !unknown) throw new Error('no hits');
  const revision = new Revision();
  revision.add(known);
  expect(revision.value).toBeTypeOf('number');
  revision.add(unknown);
  revision.add(known);
  expect(revision.value).toBeUndefined();
});

const hit = (id: string, seqNo = '1', spelled = JSON.stringify(id)) => {
  const [one] = parseSearch(
    Buffer.from(
      `{"hits":{"hits":[{"_index":"i","_id":${spelled},"_seq_no":${seqNo},"_primary_term":1}]}}`,
    ),
  ).hits;
  if (!one) throw new Error('no hit');
  return one;
};
const of = (...hits: ReturnType<typeof hit>[]) => {
  const revision = new Revision();
  for (const one of hits) revision.add(one);
  return revision.value;
};

test('numbers beyond 2^53 count in full', () => {
  expect(of(hit('a', '9007199254740993'))).not.toBe(of(hit('a', '9007199254740992')));
});

test('is the same however the server spells an id', () => {
  expect(of(hit('é😀/', '1', '"\\u00e9\\uD83D\\uDE00\\/"'))).toBe(of(hit('é😀/')));
});

test('one that was cleared is as a new one', () => {
  const revision = new Revision();
  for (let n = 0; n < 500; n += 1) revision.add(hit(`id-${n}`));
  revision.list('history');
  revision.clear();
  revision.add(hit('a'));
  expect(revision.value).toBe(of(hit('a')));
});

test('no two sequences of documents read alike', () => {
  const different = [
    of(hit('a')),
    of(hit('a', '2')),
    of(hit('a'), hit('b')),
    of(hit('b'), hit('a')),
    of(hit('a'), hit('b'), hit('c')),
    of(hit('ai 1 1 1 b')),
    of(hit('a'), hit('a')),
  ];
  expect(new Set(different).size).toBe(different.length);
});
