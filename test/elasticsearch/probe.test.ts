import { describe, expect, onTestFinished, test } from 'vitest';
import type { RelatedSettings } from '../../src/core/settings.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import {
  keyword,
  date,
  OCTOBER,
  add,
  addRecords,
  refused,
  usage,
  indices,
  probe,
} from './probe-support.js';
import { createIndex, never, open, related } from './support.js';

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
    // 2 sample messages, 1 or 2 search for their records, 0 or 1 for others, 1 looks up whose these are, 1 counts those without key.
    expect(await counted(history)).toEqual({ seen: 6, told: 6 });
    expect(await counted(empty)).toEqual({ seen: 6, told: 6 });
    // The sample serves all.
    expect(await counted(history, empty, history)).toEqual({ seen: 14, told: 14 });

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
