import { expect, test } from 'vitest';
import {
  createSampleIndices,
  lastFullWeek,
  loadSample,
  sampleDocuments,
  sampleIndices,
} from '../../sandbox/sample.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';

const from = new Date('2026-03-02T00:00:00Z');
const to = new Date('2026-03-09T00:00:00Z');

const all = (seed?: number) => [
  ...sampleDocuments({ messages: 2_000, from, to, ...(seed !== undefined && { seed }) }),
];
const documents = all();
const messages = documents.filter(({ index }) => index === 'messages');

test('the seed decides', () => {
  expect(all(1)).toEqual(documents);
  expect(all(2)[0]?.source).not.toBe(documents[0]?.source);
});

test('messages look like real ones', () => {
  const sizes = messages.map(({ source }) => Buffer.byteLength(source));
  const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  expect(mean).toBeGreaterThan(750);
  expect(mean).toBeLessThan(950);
  const related = documents.filter(({ index }) => index !== 'messages');
  const relatedSizes = related.map(({ source }) => Buffer.byteLength(source));
  const relatedMean = relatedSizes.reduce((sum, size) => sum + size, 0) / relatedSizes.length;
  expect(relatedMean).toBeGreaterThan(100);
  expect(relatedMean).toBeLessThan(200);
  const history = new Map(messages.map(({ id }) => [id, 0]));
  for (const { index, source } of related) {
    const { message_id: id } = JSON.parse(source) as { message_id: string };
    expect(history.has(id)).toBe(true);
    if (index === 'message_history') history.set(id, (history.get(id) ?? 0) + 1);
  }
  expect(Math.min(...history.values())).toBe(0);
  expect(Math.max(...history.values())).toBeGreaterThan(15);
  expect(Math.max(...history.values())).toBeLessThanOrEqual(30);
});

test('messages lie in the range, up to both of its ends', () => {
  const times = messages.map(({ source }) =>
    Date.parse((JSON.parse(source) as { timestamp: string }).timestamp),
  );
  expect(Math.min(...times)).toBe(from.getTime());
  expect(Math.max(...times)).toBe(to.getTime() - 1);
});

test('ids are unique, and some are hostile', () => {
  const ids = messages.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(new Set(documents.map(({ index, id }) => `${index}/${id}`)).size).toBe(documents.length);
  const bytes = ids.map((id) => Buffer.byteLength(id));
  expect(Math.max(...bytes)).toBe(512);
  expect(bytes.filter((size) => size === 512)).toHaveLength(2);
  for (const hostile of ['/', '..', '%', '"', "'", '📨', '\\', '\n'])
    expect(ids.some((id) => id.includes(hostile))).toBe(true);
  expect(ids).toEqual(expect.arrayContaining(['space-s1', 'space-s1 ', 'Case-s1', 'case-s1']));
});

test('sources hold what JavaScript would spoil', () => {
  const text = documents.map(({ source }) => source).join('');
  for (const raw of ['9007199254740993', ':1.10,', '1e400', '-0.0', '\\u00e9', '\n', '\r\n'])
    expect(text).toContain(raw);
  expect(text).toMatch(/\D\d{40}\D/);
});

test('Elasticsearch holds every document as it was made', async () => {
  const { url } = sandbox().elasticsearch;
  const prefix = freshIndexPrefix();
  const options = { messages: 300, from, to, prefix };
  await createSampleIndices(url, prefix);
  const loaded = await loadSample(url, options);
  const made = [...sampleDocuments(options)];
  expect(loaded).toEqual({ messages: 300, related: made.length - 300 });

  for (const index of Object.values(sampleIndices(prefix))) {
    const wanted = made.filter((document) => document.index === index);
    const response = await fetch(`${url}/${index}/_search?size=10000`);
    const text = await response.text();
    expect(JSON.parse(text)).toMatchObject({ hits: { total: { value: wanted.length } } });
    const source = new Map(wanted.map((document) => [document.id, document.source]));
    const hits = [...text.matchAll(/"_id":("(?:[^"\\]|\\.)*"),"_score":1\.0,"_source":/g)];
    expect(hits).toHaveLength(wanted.length);
    for (const hit of hits) {
      // Elasticsearch escapes some characters of an id, but none of a source.
      const expected = source.get(JSON.parse(hit[1] as string) as string);
      const start = hit.index + hit[0].length;
      expect(text.slice(start, start + (expected?.length ?? 0) + 1)).toBe(`${expected ?? ''}}`);
    }
  }
});

test('a document that is refused is an error', async () => {
  const { url } = sandbox().elasticsearch;
  const prefix = freshIndexPrefix();
  await fetch(`${url}/${prefix}messages`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: '{"mappings":{"properties":{"timestamp":{"type":"integer"}}}}',
  });
  await expect(loadSample(url, { messages: 1, from, to, prefix })).rejects.toThrow(
    /a document was refused: .*timestamp/,
  );
});

test('the last full week runs from Monday to Monday', () => {
  const week = { from: new Date('2026-11-09T00:00:00Z'), to: new Date('2026-11-16T00:00:00Z') };
  expect(lastFullWeek(new Date('2026-11-16T00:00:00Z'))).toEqual(week);
  expect(lastFullWeek(new Date('2026-11-22T23:59:59Z'))).toEqual(week);
});
