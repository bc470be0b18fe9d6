import { describe, expect, test } from 'vitest';
import { add, addRecords, indices, keyword, probe, refused, usage } from './probe-support.js';
import { never, open, related, rejection } from './support.js';

describe('records that belong to several messages of one index', () => {
  const fields = { message_id: keyword, tenant: keyword, status: keyword };
  const tenant = (n: number) => (n % 2 === 0 ? 'a' : 'b');
  /** Each number is given by two tenants; statuses are the same in all. */
  const numbered = (n: number) => ({
    message_id: `x${Math.floor(n / 2)}`,
    tenant: tenant(n),
    status: 'sent',
  });
  const byNumber = { key: 'message_id', on: 'message_id' };

  test('are refused where a field on both sides tells the messages apart, with the line to write', async () => {
    const { messages, history } = await indices(fields, fields);
    await add(messages, 40, numbered);
    await addRecords(history, 40, numbered);
    const one = { ...related('history', history, byNumber), optional: true };
    expect(await refused({ index: messages, related: [one] })).toMatchObject(
      usage(
        `of 40 records sampled in ${history}, 40 belong to several messages of one index by message_id, and 0 by tenant and message_id (source.related.history)`,
        `Write source.related.history: { index: ${history}, key: [tenant, message_id], on: [tenant, message_id], optional: true }; where they belong to all of these messages, add probe: false to what is there.`,
      ),
    );
    const key = ['tenant', 'message_id'];
    const { probes } = await probe({
      index: messages,
      related: [related('history', history, { key, on: key })],
    });
    expect(probes).toMatchObject([{ sampled: 40, withRecords: 40, records: 40 }]);
    await probe({ index: messages, related: [{ ...one, probe: false }] });
  });

  test('are, too, where the field stands elsewhere on one side, and is a text with a keyword', async () => {
    const text = { type: 'text', fields: { keyword } };
    const { messages, history } = await indices(
      { message_id: text, meta: { properties: { tenant: text } } },
      { message_id: text, tenant: text },
    );
    await add(messages, 40, (n) => {
      const { message_id } = numbered(n);
      return { message_id, meta: { tenant: tenant(n) } };
    });
    await addRecords(history, 40, numbered);
    const [key, on] = ['message_id.keyword', 'message_id.keyword'];
    const error = await refused({
      index: messages,
      related: [related('history', history, { key, on })],
    });
    expect((error as { advice: string }).advice).toContain(
      'key: [tenant.keyword, message_id.keyword], on: [meta.tenant.keyword, message_id.keyword] }',
    );
  });

  test('are refused though more match than one search gives', async () => {
    const { messages, history } = await indices(fields, fields);
    await add(messages, 40, numbered);
    await addRecords(history, 10_001, (n) => numbered(n % 40));
    const one = related('history', history, byNumber);
    expect(await refused({ index: messages, related: [one] })).toMatchObject(
      usage(/belong to several messages of one index by message_id, and 0 by tenant and /),
    );
  });

  test('are told in one line where no field does', async () => {
    const { messages, history } = await indices(
      { thread: keyword, status: keyword },
      { thread: keyword, status: keyword },
    );
    await add(messages, 40, (n) => ({ thread: `t${n % 20}`, status: n % 3 === 0 ? 'a' : 'b' }));
    await addRecords(history, 20, (n) => ({ thread: `t${n}`, status: n % 2 === 0 ? 'a' : 'b' }));
    const { said } = await probe({
      index: messages,
      related: [related('history', history, { key: 'thread', on: 'thread' })],
    });
    expect(said).toContainEqual(
      expect.stringMatching(
        /^20 of 20 records sampled in \S+ belong to more than one message \(such as those with thread "t\d+"\): is a field missing in key and on \(source\.related\.history\)\?$/,
      ),
    );
  });

  test('are nothing to speak of where most belong to one, or name several', async () => {
    const { messages, history } = await indices(fields, fields);
    await add(messages, 60, (n) => ({ ...numbered(n), message_id: `x${n < 20 ? n % 10 : n}` }));
    await addRecords(history, 60, (n) => ({ ...numbered(n), message_id: `x${n}` }));
    const { said } = await probe({
      index: messages,
      related: [related('history', history, byNumber)],
    });
    expect(said.join('\n')).not.toContain('more than one');
    const names = await indices({}, { message_id: keyword });
    await add(names.messages, 40);
    await addRecords(names.history, 40, (n) => ({ message_id: [`m${n}`, `m${(n + 1) % 40}`] }));
    const both = await probe({
      index: names.messages,
      related: [related('history', names.history)],
    });
    expect(both.said.join('\n')).not.toContain('more than one');
  });
});

describe('what is refused', () => {
  const mixed = { message_id: keyword, tenant: keyword };

  test('of the fields of a join in the wrong order names the right one', async () => {
    const { messages, history } = await indices(mixed, mixed);
    await add(messages, 20, (n) => ({ message_id: `x${n}`, tenant: `t${n % 2}` }));
    await addRecords(history, 20, (n) => ({ message_id: `x${n}`, tenant: `t${n % 2}` }));
    const join = { key: ['tenant', 'message_id'], on: ['message_id', 'tenant'] };
    const one = { ...related('history', history, join), optional: true };
    expect(await refused({ index: messages, related: [one] })).toMatchObject(
      usage(
        /^of 20 messages sampled, 0 have records in \S+ by message_id and tenant, and 20 by tenant and message_id /,
        /key: \[tenant, message_id\], on: \[tenant, message_id\]/,
      ),
    );
  });

  test('of several related entries is told together', async () => {
    const { messages, history } = await indices(mixed, mixed);
    await add(messages, 5, (n) => ({ message_id: `x${n}` }));
    await addRecords(history, 5, (n) => ({ message_id: `x${n}` }));
    const all = ['one', 'two'].map((name) => related(name, history));
    const error = (await refused({ index: messages, related: all })) as Error;
    expect(error.message.split('\n')).toEqual([
      expect.stringMatching(/^of 5 .* by message_id \(source\.related\.one\)$/),
      expect.stringMatching(/^Write source\.related\.one: \{ .*, on: message_id \}; where _id is/),
      expect.stringMatching(/^of 5 .* by message_id \(source\.related\.two\)$/),
    ]);
    expect(error).toMatchObject(usage(/./, /^Write source\.related\.two: /));
  });

  test('of fields that Elasticsearch has mapped by itself is told together, with the line that mends all', async () => {
    const text = { type: 'text', fields: { keyword: { ...keyword, ignore_above: 256 } } };
    const { messages, history } = await indices({ message_id: text }, { message_id: text });
    const join = { key: 'message_id', on: 'message_id' };
    const entries = ['one', 'two'].map((name) => related(name, history, join));
    const source = open({ index: messages, related: entries });
    const error = await rejection(source.inspectRelated([messages], never));
    const of = (index: string) =>
      `the field message_id of ${index} is text, not keyword: searching it for a value would find nothing`;
    const line = (name: string) =>
      `Write source.related.${name}: { index: ${history}, key: message_id.keyword, on: message_id.keyword }`;
    expect(error).toMatchObject(
      usage([of(messages), of(history), line('one')].join('\n'), line('two')),
    );
  });
});
