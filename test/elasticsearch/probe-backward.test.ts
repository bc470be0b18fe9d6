import { describe, expect, test } from 'vitest';
import type { RelatedSettings } from '../../src/core/settings.js';
import {
  keyword,
  date,
  TO,
  add,
  addRecords,
  refused,
  usage,
  indices,
  probe,
  type Names,
} from './probe-support.js';
import { bulk, createIndex, related } from './support.js';

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
        `none of 100 records sampled in ${history} belongs to a message of ${messages}: the first has message_id "other-0", and no message has that as its _id (source.related.history)`,
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

  test('are named without what a terminal would obey, and not at any length', async () => {
    const { messages, history } = await indices({}, { message_id: keyword });
    const id = `\u001b[2J\u009b2J\u202e${'x'.repeat(100)}`;
    await addRecords(history, 1, () => ({ message_id: id }));
    const error = await refused({ index: messages, related: [related('history', history)] });
    expect((error as Error).message).toContain('"\\u001b[2J\\u009b2J\\u202exxx');
    expect((error as Error).message).toMatch(/x{48,52}…", and no message has that as its _id/);
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
    expect(await refused(of(history), empty)).toMatchObject(usage(/^none of 100 records/));
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
