import { describe, expect, test } from 'vitest';
import { relatedFor } from '../../src/core/elasticsearch/join.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { add, addRecords, date, keyword, OCTOBER } from './probe-support.js';
import { createIndex, es, MIB, never, open, related, rejection } from './support.js';
import { json, troubled } from './troubled.js';

/** Two indices of messages and two of records, each reached by a pattern; looked at, and only then changed. */
async function looked(): Promise<{
  source: ReturnType<typeof open>;
  one: ReturnType<typeof relatedFor>[number];
  messages: string;
  history: string;
}> {
  const prefix = freshIndexPrefix();
  const [messages, history] = [`${prefix}messages-`, `${prefix}history-`];
  for (const end of ['a', 'b']) {
    await createIndex(messages + end, { properties: { timestamp: date } });
    await createIndex(history + end, { properties: { at: date, message_id: keyword } });
    await add(
      messages + end,
      3,
      () => ({}),
      (n) => `${end}${n}`,
    );
    await addRecords(history + end, 3, (n) => ({ message_id: `${end}${n}` }));
  }
  const settings = [related('history', `${history}*`)];
  const source = open({ index: `${messages}*`, related: settings });
  const { indices } = await source.inspect(never);
  const [one] = relatedFor(await source.inspectRelated(indices, never), `${messages}a`);
  if (!one) throw new Error('one was asked for');
  return { source, one, messages, history };
}

type Looked = Awaited<ReturnType<typeof looked>>;

async function pagesOf({ source, one }: Looked): Promise<void> {
  const pages = source.recordPages(one, [['b1']], { maxBytes: MIB, signal: never });
  for await (const page of pages) expect(page.length).toBeGreaterThan(0);
}

const ofRecords: [string, (of: Looked) => Promise<unknown>][] = [
  ['records', ({ source, one }) => source.records(one, [['b1']], { maxBytes: MIB, signal: never })],
  ['pages of records', pagesOf],
  ['counts of records', ({ source, one }) => source.countRecords(one, [[['b1']]], never)],
  ['a count of all records', ({ source, one }) => source.countAllRecords(one, never)],
];

const ofMessages: [string, (of: Looked) => Promise<unknown>][] = [
  ['a count', ({ source }) => source.count(OCTOBER, never)],
  ['a window', ({ source }) => source.openWindow(OCTOBER, never)],
  ['a count of those without a date', ({ source }) => source.countUndated(never)],
  ['the span of dates', ({ source }) => source.dateSpan(never)],
];

const closed = (index: string) => ({
  kind: 'usage',
  message: expect.stringMatching(
    new RegExp(`^an index was closed meanwhile, and can't be read \\(.*${index}\\)`),
  ) as string,
  advice: expect.stringMatching(/^Open it and run the same command again/) as string,
});

const gone = (what: string) => ({ kind: 'usage', message: `${what} is gone` });

describe('one index of a pattern is closed after it was looked at', () => {
  test.each(ofRecords)('%s', async (_, ask) => {
    const all = await looked();
    await es('POST', `/${all.history}b/_close`);
    expect(await rejection(ask(all))).toMatchObject(closed(`${all.history}b`));
  });

  test.each(ofMessages)('%s', async (_, ask) => {
    const all = await looked();
    await es('POST', `/${all.messages}b/_close`);
    expect(await rejection(ask(all))).toMatchObject(closed(`${all.messages}b`));
  });

  test('messages, by the name of their index', async () => {
    const all = await looked();
    await es('POST', `/${all.messages}b/_close`);
    const request = { ids: ['b1'], maxBytes: MIB, signal: never };
    const asked = [
      all.source.messages(`${all.messages}b`, request),
      all.source.exists(`${all.messages}b`, 'b1', never),
      all.source.existing(`${all.messages}b`, ['b1'], never),
      all.source.fieldValues(`${all.messages}b`, ['b1'], ['timestamp'], never),
    ];
    for (const one of asked.map(rejection))
      expect(await one).toMatchObject(closed(`${all.messages}b`));
  });
});

describe('the last index of a pattern is deleted after it was looked at', () => {
  test.each(ofRecords)('%s', async (_, ask) => {
    const all = await looked();
    await es('DELETE', `/${all.history}a,${all.history}b`);
    expect(await rejection(ask(all))).toMatchObject(
      gone(`the related index ${all.history}* (source.related.history)`),
    );
  });

  test.each(ofMessages)('%s', async (_, ask) => {
    const all = await looked();
    await es('DELETE', `/${all.messages}a,${all.messages}b`);
    expect(await rejection(ask(all))).toMatchObject(
      gone(`the index ${all.messages}* (source.index)`),
    );
  });
});

test('an index that is just being closed is told as one that is closed', async () => {
  const { url } = await troubled(
    json(
      403,
      '{"error":{"type":"cluster_block_exception","reason":"index [m] blocked by: [FORBIDDEN/4/index closed];"}}',
    ),
  );
  expect(await rejection(open({ urls: [url] }).exists('m', '1', never))).toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^an index was closed meanwhile/) as string,
  });
});

test('an answer of 200 for which no index was searched is no answer', async () => {
  const { url } = await troubled(
    json(
      200,
      '{"_shards":{"total":0,"successful":0,"failed":0},"hits":{"total":{"value":0,"relation":"eq"},"hits":[]},"aggregations":{}}',
    ),
  );
  const source = open({ urls: [url] }, 100);
  expect(await rejection(source.count(OCTOBER, never))).toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('no index was searched') as string,
  });
});
