import { beforeAll, describe, expect, test } from 'vitest';
import { freshIndexPrefix } from '../support/sandbox.js';
import { bulk, createIndex, never, open } from './support.js';

const prefix = freshIndexPrefix();
const [index, nanos, unsorted, empty] = ['messages', 'nanos', 'unsorted', 'empty'].map(
  (name) => `${prefix}dates-${name}`,
) as [string, string, string, string];
const channel = { type: 'keyword' };
const DOCUMENTS = [
  { id: 'first', source: '{"timestamp":"2024-10-01T00:00:00.001Z","channel":"sms"}' },
  { id: 'last', source: '{"timestamp":"2024-10-31T23:59:59.999Z","channel":"mail"}' },
  { id: 'several', source: '{"timestamp":["2024-09-01","2024-10-02"],"channel":"mail"}' },
  { id: 'missing', source: '{"channel":"sms"}' },
  { id: 'null', source: '{"timestamp":null,"channel":"mail"}' },
  { id: 'malformed', source: '{"timestamp":"yesterday","channel":"mail"}' },
];

beforeAll(async () => {
  const timestamp = { type: 'date', ignore_malformed: true };
  await createIndex(index, { properties: { timestamp, channel } });
  await bulk(index, DOCUMENTS);
  const withNanos = { type: 'date_nanos', format: 'epoch_second||strict_date_time' };
  await createIndex(nanos, { properties: { timestamp: withNanos } });
  await bulk(nanos, [
    { id: 'a', source: '{"timestamp":"2024-10-01T00:00:00.123456789Z"}' },
    { id: 'b', source: '{"timestamp":"2024-10-02T00:00:00.000Z"}' },
  ]);
  await createIndex(unsorted, { properties: { timestamp: { type: 'date', doc_values: false } } });
  await bulk(unsorted, [
    { id: 'a', source: '{"timestamp":"2024-10-01"}' },
    { id: 'b', source: '{}' },
  ]);
  await createIndex(empty, { properties: { timestamp: { type: 'date' } } });
});

describe('documents without a usable date', () => {
  test('are those where the field is missing, null or malformed', async () => {
    expect(await open({ index }).countUndated(never)).toBe(3);
  });

  test('of those that match the filter', async () => {
    const filter = '{"term":{"channel":"sms"}}';
    expect(await open({ index, filter }).countUndated(never)).toBe(1);
  });

  test('also of a field without doc values, and of an index without documents', async () => {
    expect(await open({ index: unsorted }).countUndated(never)).toBe(1);
    expect(await open({ index: empty }).countUndated(never)).toBe(0);
  });
});

describe('between which instants the dates lie', () => {
  test('the first and the last value of any document', async () => {
    expect(await open({ index }).dateSpan(never)).toEqual({
      first: Date.UTC(2024, 8, 1),
      last: Date.UTC(2024, 10, 1) - 1,
    });
  });

  test('of those that match the filter', async () => {
    const filter = '{"term":{"channel":"sms"}}';
    const at = Date.UTC(2024, 9, 1) + 1;
    expect(await open({ index, filter }).dateSpan(never)).toEqual({ first: at, last: at });
  });

  test('in milliseconds where the field has nanoseconds, and a format of its own', async () => {
    expect(await open({ index: nanos }).dateSpan(never)).toEqual({
      first: Date.UTC(2024, 9, 1) + 123,
      last: Date.UTC(2024, 9, 2),
    });
    expect(await open({ index: `${index},${nanos}` }).dateSpan(never)).toEqual({
      first: Date.UTC(2024, 8, 1),
      last: Date.UTC(2024, 10, 1) - 1,
    });
  });

  test('is not known where nothing has a date, or nothing can be sorted by it', async () => {
    expect(await open({ index: empty }).dateSpan(never)).toBeUndefined();
    expect(await open({ index: unsorted }).dateSpan(never)).toBeUndefined();
  });
});
