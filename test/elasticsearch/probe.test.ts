import { describe, expect, onTestFinished, test } from 'vitest';
import type { RelatedSettings, SourceSettings } from '../../src/core/settings.js';
import type { JoinProbe } from '../../src/core/elasticsearch/probe/types.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { bulk, createIndex, never, open, rejection, related } from './support.js';

const keyword = { type: 'keyword' };
const date = { type: 'date' };
const FROM = Date.UTC(2024, 9, 1);
const TO = Date.UTC(2024, 10, 1);
const OCTOBER = { from: FROM, to: TO };

interface Names {
  readonly messages: string;
  readonly history: string;
}

/** An index of messages and one of records, with these fields beside those that all have. */
async function indices(messageFields: object, recordFields: object): Promise<Names> {
  const prefix = freshIndexPrefix();
  const [messages, history] = [`${prefix}messages`, `${prefix}history`];
  await createIndex(messages, { properties: { timestamp: date, ...messageFields } });
  await createIndex(history, { properties: { at: date, ...recordFields } });
  return { messages, history };
}

/** So many messages, spread over October; `source` makes what else a message has. */
const add = (
  index: string,
  count: number,
  source: (n: number) => object = () => ({}),
  id: (n: number) => string = (n) => `m${n}`,
) =>
  bulk(
    index,
    Array.from({ length: count }, (_, n) => {
      const timestamp = FROM + Math.floor(((TO - FROM) * n) / count);
      return { id: id(n), source: JSON.stringify({ timestamp, ...source(n) }) };
    }),
  );

const addRecords = (index: string, count: number, source: (n: number) => object) =>
  bulk(
    index,
    Array.from({ length: count }, (_, n) => ({
      id: `r${n}`,
      source: JSON.stringify({ at: FROM + n, ...source(n) }),
    })),
  );

interface Probed {
  readonly probes: readonly JoinProbe[];
  readonly said: readonly string[];
}

/** Inspects and probes as a run does. */
async function probe(
  changes: Partial<SourceSettings> & { readonly related: readonly RelatedSettings[] },
  interval = OCTOBER,
): Promise<Probed> {
  const source = open(changes);
  const { indices: concrete } = await source.inspect(never);
  const found = await source.inspectRelated(concrete, never);
  const said: string[] = [];
  const request = {
    related: found,
    indices: concrete,
    interval,
    say: (line: string) => said.push(line),
  };
  return { probes: await source.probeJoins(request, never), said };
}

const refused = (...of: Parameters<typeof probe>) => rejection(probe(...of));
const usage = (message: RegExp | string, advice?: RegExp | string) => ({
  kind: 'usage',
  message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  ...(advice !== undefined && {
    advice: typeof advice === 'string' ? advice : (expect.stringMatching(advice) as string),
  }),
});

describe('a field that gives more messages their records', () => {
  test('than generated ids do is named, with both numbers and the line to write', async () => {
    const { messages, history } = await indices({ message_id: keyword }, { message_id: keyword });
    await add(
      messages,
      200,
      (n) => ({ message_id: `m${n}` }),
      (n) => `generated-${n}`,
    );
    await addRecords(history, 400, (n) => ({ message_id: `m${n % 200}` }));
    expect(
      await refused({ index: messages, related: [related('history', history)] }),
    ).toMatchObject(
      usage(
        `of 102 messages sampled, 0 have records in ${history} by _id, and 102 by message_id (source.related.history)`,
        'Write on: message_id there; where _id is right all the same, write probe: false.',
      ),
    );
    const on = 'message_id';
    const { probes } = await probe({
      index: messages,
      related: [related('history', history, { on })],
    });
    expect(probes).toEqual([
      {
        name: 'history',
        sampled: 102,
        withRecords: 102,
        records: 204,
        withoutValue: 0,
        isLowerBound: false,
      },
    ]);
  });

  test('than a wrong field does is named; it may be the _id, or a field that is nothing like the key', async () => {
    const fields = { reply_to: keyword, zz: { properties: { other: keyword } } };
    const { messages, history } = await indices(fields, { message_id: keyword, ref: keyword });
    await add(messages, 30, (n) => ({
      ...(n > 0 && { reply_to: `m${n - (n % 10)}` }),
      zz: { other: [`x${n}`, `y${n}`] },
    }));
    await addRecords(history, 30, (n) => ({ message_id: `m${n}`, ref: `y${n}` }));
    const by = (join: Parameters<typeof related>[2]) =>
      refused({ index: messages, related: [related('history', history, join)] });
    expect(await by({ on: 'reply_to' })).toMatchObject(
      usage(/^of 30 messages sampled, 29 have .* by reply_to, and 30 by _id \(/, /^Write on: _id /),
    );
    expect(await by({ key: 'ref' })).toMatchObject(
      usage(/^of 30 .*, 0 have .* by _id, and 30 by zz\.other \(/, /^Write on: zz\.other there/),
    );
  });

  test('in one place of a join by several', async () => {
    const fields = { tenant: keyword, message_id: keyword };
    const { messages, history } = await indices(fields, fields);
    const tenant = (n: number) => (n % 2 === 0 ? 'a' : 'b');
    await add(
      messages,
      20,
      (n) => ({ tenant: tenant(n), message_id: `m${n >> 1}` }),
      (n) => `generated-${n}`,
    );
    await addRecords(history, 20, (n) => ({ tenant: tenant(n), message_id: `m${n >> 1}` }));
    const key = ['tenant', 'message_id'];
    const by = (on: string[]) => ({
      index: messages,
      related: [related('history', history, { key, on })],
    });
    expect(await refused(by(['tenant', '_id']))).toMatchObject(
      usage(
        /20 messages sampled, 0 have .* by tenant and _id, and 20 by tenant and message_id \(/,
        'Write on: [tenant, message_id] there; where tenant and _id is right all the same, write probe: false.',
      ),
    );
    const { probes } = await probe(by(key));
    expect(probes).toMatchObject([{ sampled: 20, withRecords: 20, records: 20 }]);
  });

  test('is named though another related index is joined by it already', async () => {
    const { messages, history } = await indices({ message_id: keyword }, { message_id: keyword });
    await add(
      messages,
      5,
      (n) => ({ message_id: `m${n}` }),
      (n) => `generated-${n}`,
    );
    await addRecords(history, 5, (n) => ({ message_id: `m${n}` }));
    const both = [related('history', history, { on: 'message_id' }), related('status', history)];
    expect(await refused({ index: messages, related: both })).toMatchObject(
      usage(/, and 5 by message_id \(source\.related\.status\)$/),
    );
  });

  test('is named though no join can be by it, with the reason', async () => {
    const normalized = { type: 'keyword', normalizer: 'lowercase' };
    const { messages, history } = await indices(
      { message_id: normalized },
      { message_id: keyword },
    );
    await add(
      messages,
      5,
      (n) => ({ message_id: `m${n}` }),
      (n) => `generated-${n}`,
    );
    await addRecords(history, 5, (n) => ({ message_id: `m${n}` }));
    expect(
      await refused({ index: messages, related: [related('history', history)] }),
    ).toMatchObject(
      usage(/, and 5 by message_id .*; but .* has the normalizer lowercase/, /probe: false/),
    );
  });

  test('is named though its records are more than one search gives', async () => {
    const { messages, history } = await indices({ message_id: keyword }, { message_id: keyword });
    await add(
      messages,
      3,
      (n) => ({ message_id: `m${n}` }),
      (n) => `generated-${n}`,
    );
    await addRecords(history, 10_001, (n) => ({ message_id: `m${n % 3}` }));
    expect(
      await refused({ index: messages, related: [related('history', history)] }),
    ).toMatchObject(usage(/^of 3 messages sampled, 0 have .* by _id, and 3 by message_id \(/));
    const on = 'message_id';
    const { probes, said } = await probe({
      index: messages,
      related: [related('history', history, { on })],
    });
    expect(probes).toMatchObject([{ withRecords: 3, records: 10_000, isLowerBound: true }]);
    expect(said.join('\n')).toMatch(/more records match than are looked at/);
  });
});

describe('a right join passes', () => {
  test('though few messages have records, and some have no value', async () => {
    const { messages, history } = await indices(
      { message_id: keyword, channel: keyword },
      { message_id: keyword, channel: keyword },
    );
    await add(messages, 60, (n) => ({
      channel: 'sms',
      ...(n % 2 === 0 && { message_id: `m${n}` }),
    }));
    await addRecords(history, 6, (n) => ({
      message_id: n < 3 ? 'm10' : 'elsewhere',
      channel: 'sms',
    }));
    const { probes } = await probe({
      index: messages,
      related: [related('history', history, { on: 'message_id' })],
    });
    expect(probes).toMatchObject([{ sampled: 60, withRecords: 1, records: 3, withoutValue: 30 }]);
  });

  test('though a field that is the same in all messages is in every record', async () => {
    const { messages, history } = await indices({ tenant: keyword }, { message_id: keyword });
    await add(messages, 10, () => ({ tenant: 'a' }));
    await addRecords(history, 10, (n) => ({ message_id: ['a', `m${n % 4}`] }));
    const { probes } = await probe({ index: messages, related: [related('history', history)] });
    expect(probes).toMatchObject([{ sampled: 10, withRecords: 4 }]);
  });

  test('and a field with doc values that may not be asked for is not', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`field${i}`, keyword] as const),
    );
    const prefix = freshIndexPrefix();
    const [messages, history] = [`${prefix}messages`, `${prefix}history`];
    const nested = { type: 'nested', properties: { message_id: keyword } };
    await createIndex(
      messages,
      {
        properties: {
          timestamp: date,
          ...many,
          parts: nested,
          off: { ...keyword, doc_values: false },
        },
      },
      { max_docvalue_fields_search: 5 },
    );
    await createIndex(history, { properties: { message_id: keyword } });
    await add(messages, 4, (n) => ({
      field1: `f${n}`,
      off: `o${n}`,
      parts: [{ message_id: 'x' }],
    }));
    await addRecords(history, 4, (n) => ({ message_id: `m${n}` }));
    const { probes } = await probe({ index: messages, related: [related('history', history)] });
    expect(probes).toMatchObject([{ sampled: 4, withRecords: 4 }]);
  });
});

describe('records that belong to no message', () => {
  async function orphans(): Promise<Names> {
    const names = await indices({}, { message_id: keyword, ref: keyword });
    await add(names.messages, 3);
    await addRecords(names.history, 150, (n) => ({ message_id: `other-${n}` }));
    return names;
  }

  test('are refused where all are such, unless they are optional', async () => {
    const { messages, history } = await orphans();
    const one = related('history', history);
    expect(await refused({ index: messages, related: [one] })).toMatchObject(
      usage(
        `of 100 records sampled in ${history}, none belongs to a message of ${messages}: no message has one's message_id as its _id (source.related.history); the first has "other-0"`,
        /optional: true/,
      ),
    );
    const { probes } = await probe({ index: messages, related: [{ ...one, optional: true }] });
    expect(probes).toMatchObject([{ sampled: 3, withRecords: 0 }]);
    expect(await probe({ index: messages, related: [{ ...one, probe: false }] })).toEqual({
      probes: [],
      said: [],
    });
  });

  test('are refused where none has the key', async () => {
    const { messages, history } = await orphans();
    const one = related('history', history, { key: 'ref' });
    expect(await refused({ index: messages, related: [one] })).toMatchObject(
      usage(
        `none of the records in ${history} has a value in ref, so none belongs to a message (source.related.history)`,
      ),
    );
    await probe({ index: messages, related: [{ ...one, optional: true }] });
  });

  test('are fine beside one that belongs to a message of any date that the filter leaves out', async () => {
    const { messages, history } = await indices({ channel: keyword }, { message_id: keyword });
    await add(messages, 3, () => ({ channel: 'sms' }));
    await bulk(messages, [{ id: 'old', source: '{"timestamp":"1999-01-01","channel":"fax"}' }]);
    // The newest are looked at: the oldest may have outlived their messages.
    await addRecords(history, 150, (n) => ({ message_id: n === 149 ? 'old' : `gone-${n}` }));
    const filter = '{"term":{"channel":"sms"}}';
    const one = related('history', history, { sort: 'at' });
    const { probes } = await probe({ index: messages, filter, related: [one] });
    expect(probes).toMatchObject([{ sampled: 3, withRecords: 0 }]);
  });

  test('are looked for though there is no message in the range', async () => {
    const { messages, history } = await orphans();
    const empty = { from: 0, to: 1 };
    const of = (name: string) => ({ index: messages, related: [related('history', name)] });
    expect(await refused(of(history), empty)).toMatchObject(usage(/^of 100 records/));
    const names = await indices({}, { message_id: keyword });
    const { probes, said } = await probe(of(names.history), empty);
    expect(probes).toMatchObject([{ sampled: 0, withRecords: 0 }]);
    expect(said.join('\n')).toMatch(/no messages to sample[^]*holds no records/);
  });
});

describe('a record that belongs to messages of two indices', () => {
  async function twins(): Promise<Names & { readonly other: string }> {
    const names = await indices({ tenant: keyword }, { message_id: keyword, tenant: keyword });
    const other = `${names.messages}-2`;
    await createIndex(other, { properties: { timestamp: date, tenant: keyword } });
    await add(names.messages, 20, () => ({ tenant: 'a' }));
    await add(
      other,
      1,
      () => ({ tenant: 'b' }),
      () => 'm7',
    );
    await addRecords(names.history, 20, (n) => ({ message_id: `m${n}`, tenant: 'a' }));
    return { ...names, other };
  }

  test('is refused, naming both, unless the join tells them apart', async () => {
    const { messages, other, history } = await twins();
    const of = (one: RelatedSettings) => ({ index: `${messages}*`, related: [one] });
    expect(await refused(of({ ...related('history', history), optional: true }))).toMatchObject(
      usage(
        `records in ${history} with message_id "m7" belong to a message of ${messages} and to one of ${other} alike (source.related.history)`,
        /pairs .* key and on; .* probe: false/,
      ),
    );
    const key = ['message_id', 'tenant'];
    const on = ['_id', 'tenant'];
    const { probes } = await probe(of(related('history', history, { key, on })));
    expect(probes).toMatchObject([{ sampled: 21, withRecords: 20 }]);
    await probe(of({ ...related('history', history), probe: false }));
  });

  test('is found by the records of the sampled messages, among however many others', async () => {
    const { messages, other, history } = await twins();
    await bulk(
      history,
      Array.from({ length: 300 }, (_, n) => ({
        id: `z${n}`,
        source: JSON.stringify({ at: TO + n, message_id: `gone-${n}` }),
      })),
    );
    const one = related('history', history, { sort: 'at' });
    expect(await refused({ index: `${messages}*`, related: [one] })).toMatchObject(
      usage(new RegExp(`message of ${messages} and to one of ${other} alike`)),
    );
  });

  test('two messages of one index may share a record', async () => {
    const { messages, history } = await indices({ thread: keyword }, { thread: keyword });
    await add(messages, 6, (n) => ({ thread: ['t', `t${n % 3}`] }));
    await addRecords(history, 3, (n) => ({ thread: `t${n}` }));
    const join = { key: 'thread', on: 'thread' };
    const { probes } = await probe({
      index: messages,
      related: [related('history', history, join)],
    });
    expect(probes).toMatchObject([{ sampled: 6, withRecords: 6, records: 6 }]);
  });
});

describe('indices with related indices of their own', () => {
  const index = [{ messages: '(.*)messages-(.*)', related: '$1history-$2' }];

  /** The same ids in each month, all dated October. */
  async function months(count: number): Promise<string> {
    const prefix = freshIndexPrefix();
    for (let month = 1; month <= count; month += 1) {
      await createIndex(`${prefix}messages-${month}`, {
        properties: { timestamp: date, message_id: keyword },
      });
      await createIndex(`${prefix}history-${month}`, { properties: { message_id: keyword } });
      await add(`${prefix}messages-${month}`, 3, (n) => ({ message_id: `x${n}` }));
      await addRecords(`${prefix}history-${month}`, 3, (n) => ({ message_id: `m${n}` }));
    }
    return prefix;
  }

  test('are tried each with its own messages, three of them', async () => {
    const prefix = await months(5);
    const one = related('history', index);
    const { probes, said } = await probe({ index: `${prefix}messages-*`, related: [one] });
    expect(probes).toMatchObject([{ name: 'history', sampled: 9, withRecords: 9, records: 9 }]);
    const named = said.flatMap((line) => /history-(\d)/.exec(line)?.[1] ?? []);
    expect(named).toEqual(['1', '3', '5']);
  });

  test('are refused like others; one that does not exist is not tried', async () => {
    const prefix = await months(2);
    const one = { ...related('history', index), optional: true };
    await createIndex(`${prefix}messages-3`, { properties: { timestamp: date } });
    const of = (some: RelatedSettings) => ({ index: `${prefix}messages-*`, related: [some] });
    expect((await probe(of(one))).probes).toMatchObject([{ sampled: 6, withRecords: 6 }]);
    await addRecords(`${prefix}history-2`, 3, (n) => ({ message_id: `x${n}` }));
    expect(await refused(of(one))).toMatchObject(
      usage(/^of 3 messages sampled, 0 have records in .*history-2 by _id, and 3 by message_id /),
    );
  });
});

describe('a probe', () => {
  test('costs six searches a related index at most, each one through the limits', async () => {
    const { messages, history } = await indices({ message_id: keyword }, { message_id: keyword });
    await add(messages, 3, (n) => ({ message_id: `m${n}` }));
    await addRecords(history, 10_001, (n) => ({ message_id: `m${n % 3}` }));
    const empty = (await indices({}, { message_id: keyword })).history;
    const proxy = await startHttpProxy(sandbox().elasticsearch.url);
    onTestFinished(() => proxy.close());
    const counted = async (...some: string[]) => {
      const source = open({
        urls: [proxy.url],
        index: messages,
        related: some.map((one, i) => ({ ...related(`r${i}`, one), optional: true })),
      });
      const found = await source.inspectRelated([messages], never);
      const before = proxy.requests.length;
      const said: string[] = [];
      await source.probeJoins(
        { related: found, indices: [messages], interval: OCTOBER, say: (line) => said.push(line) },
        never,
      );
      const seen = proxy.requests.slice(before).filter(({ url }) => url.includes('/_search'));
      const told = said.flatMap((line) => Number(/(\d+) search/.exec(line)?.[1] ?? 0));
      return { seen: seen.length, told: told.reduce((sum, one) => sum + one, 0) };
    };
    // 3 sample messages, 1 or 2 search for their records, 0 or 1 for others, 1 looks up whose these are.
    expect(await counted(history)).toEqual({ seen: 6, told: 6 });
    expect(await counted(empty)).toEqual({ seen: 6, told: 6 });
    // The sample serves all.
    expect(await counted(history, empty, history)).toEqual({ seen: 12, told: 12 });

    // Where Elasticsearch has too much to do, a probe waits as everything else does.
    let refusals = 2;
    proxy.use(({ url }) => {
      if (!url.includes('/_search') || refusals === 0) return undefined;
      refusals -= 1;
      const body = '{"error":{"type":"es_rejected_execution_exception"},"status":429}';
      return { do: 'answer', status: 429, headers: { 'retry-after': '0' }, body };
    });
    expect(await counted(history)).toEqual({ seen: 8, told: 6 });
  });

  test.each(['history', 'messages'])(
    'that Elasticsearch has too little memory for, of the %s, keeps nobody from migrating, and says so',
    async (which) => {
      const names = await indices({}, { message_id: keyword });
      await add(names.messages, 3);
      await addRecords(names.history, 3, (n) => ({ message_id: `m${n}` }));
      const proxy = await startHttpProxy(sandbox().elasticsearch.url);
      onTestFinished(() => proxy.close());
      const source = open({
        urls: [proxy.url],
        index: names.messages,
        related: [related('history', names.history)],
      });
      const found = await source.inspectRelated([names.messages], never);
      proxy.use(({ url }) => {
        if (!url.includes(`${which}/_search`)) return undefined;
        const body = '{"error":{"type":"circuit_breaking_exception"},"status":429}';
        return { do: 'answer', status: 429, body };
      });
      const said: string[] = [];
      const say = (line: string, level: string) => said.push(`${level} ${line}`);
      const request = { related: found, indices: [names.messages], interval: OCTOBER, say };
      expect(await source.probeJoins(request, never)).toMatchObject([{ withRecords: 0 }]);
      expect(said.join('\n')).toMatch(/^warn .*too large$/m);
    },
  );
});
