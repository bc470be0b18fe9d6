import { describe, expect, test } from 'vitest';
import { freshIndexPrefix } from '../support/sandbox.js';
import { keyword, date, add, addRecords, refused, usage, indices, probe } from './probe-support.js';
import { createIndex, related } from './support.js';

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
        `of 100 messages sampled, 0 have records in ${history} by _id, and 100 by message_id (source.related.history)`,
        `Write source.related.history: { index: ${history}, key: message_id, on: message_id }; where _id is right all the same, add probe: false to what is there.`,
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
        sampled: 100,
        withRecords: 100,
        records: 200,
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
      usage(/^of 30 messages sampled, 29 have .* by reply_to, and 30 by _id \(/, /, on: _id \}; /),
    );
    expect(await by({ key: 'ref' })).toMatchObject(
      usage(/^of 30 .*, 0 have .* by _id, and 30 by zz\.other \(/, /, on: zz\.other \}; /),
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
        /, on: \[tenant, message_id\] \}; /,
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
