import { beforeAll, describe, expect, test } from 'vitest';
import { relatedFor } from '../../src/core/elasticsearch/join.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { createIndex, es, MIB, never, open, put, refresh, related, rejection } from './support.js';
import { json, troubled } from './troubled.js';

const prefix = freshIndexPrefix();
const name = (end: string) => `${prefix}${end}`;
const properties = { '@timestamp': { type: 'date' }, id: { type: 'keyword' } };
const rebuilds = /Elasticsearch does not keep _source as it was sent.*\(synthetic _source\)/;

/** What each index is made of, and what the user is told of it. */
const indices: Record<string, { settings?: object; source?: object; caution?: RegExp }> = {
  plain: {},
  'mapped-synthetic': { source: { mode: 'synthetic' }, caution: rebuilds },
  'set-synthetic': { settings: { 'mapping.source.mode': 'synthetic' }, caution: rebuilds },
  logsdb: { settings: { mode: 'logsdb' }, caution: rebuilds },
  'time-series': {
    settings: { mode: 'time_series', routing_path: ['host'] },
    caution: rebuilds,
  },
  'logsdb-stored': { settings: { mode: 'logsdb', 'mapping.source.mode': 'stored' } },
  'logsdb-mapped-stored': { settings: { mode: 'logsdb' }, source: { mode: 'stored' } },
  'set-stored': {
    settings: { 'mapping.source.mode': 'stored' },
    source: { mode: 'synthetic' },
  },
  excluding: {
    source: { excludes: ['secret', 'internal.*'] },
    caution: /kept only a part of _source \(its mapping excludes secret, internal\.\*\)/,
  },
  including: {
    source: { includes: ['id', '@timestamp'], excludes: ['secret'] },
    caution: /kept only a part .* includes id, @timestamp and excludes secret\)/,
  },
};

beforeAll(async () => {
  for (const [end, { settings = {}, source }] of Object.entries(indices)) {
    const host = { type: 'keyword', time_series_dimension: true };
    const mappings = {
      ...(source && { _source: source }),
      properties: end === 'time-series' ? { ...properties, host } : properties,
    };
    await createIndex(name(end), mappings, { ...settings });
  }
});

const inspect = (index: string) => open({ index, dateField: '@timestamp' }).inspect(never);

describe.each(Object.entries(indices))('%s', (end, { caution }) => {
  test(caution ? 'the user is told' : 'nothing is to be told', async () => {
    const { cautions } = await inspect(name(end));
    expect(cautions).toHaveLength(caution ? 1 : 0);
    if (!caution) return;
    expect(cautions[0]).toMatch(caution);
    expect(cautions[0]).toContain(`${name(end)}: `);
  });

  test('and so of a related index', async () => {
    const source = open({ related: [related('history', name(end), { key: 'id' })] });
    const [one] = await source.inspectRelated([], never);
    expect(one?.cautions).toEqual((await inspect(name(end))).cautions);
  });

  test('Elasticsearch does what was told', async () => {
    const sent = `{"id":"a", "@timestamp":"${new Date().toISOString()}","host":"h","n":1.10,"secret":1}`;
    if (end === 'time-series') await es('POST', `/${name(end)}/_doc`, sent);
    else await put(name(end), 'a', sent);
    await refresh(name(end));
    const source = open({ related: [related('history', name(end), { key: 'id' })] });
    const [one] = relatedFor(await source.inspectRelated([], never), 'any');
    if (!one) throw new Error('one was asked for');
    const answer = await source.records(one, [['a']], { maxBytes: MIB, signal: never });
    const kept = answer.kind === 'hits' ? answer.hits.map((hit) => hit.source?.toString()) : [];
    expect(kept).toHaveLength(1);
    expect(kept[0] === sent).toBe(!caution);
  });
});

test('many indices make one line', async () => {
  const { cautions } = await inspect(
    ['plain', 'logsdb', 'mapped-synthetic', 'excluding'].map(name).join(','),
  );
  expect(cautions).toHaveLength(2);
  expect(cautions.join('\n')).toMatch(`${name('logsdb')}, ${name('mapped-synthetic')}: `);
  expect(cautions.join('\n')).toMatch(`${name('excluding')}: `);
});

test('a key that is short in the index is told, too', async () => {
  const short = { type: 'keyword', ignore_above: 100 };
  await createIndex(name('short'), { properties: { key: short } });
  const source = open({ related: [related('history', name('short'), { key: 'key' })] });
  expect((await source.inspectRelated([], never))[0]?.cautions).toEqual([
    `${name('short')}.key (source.related.history) indexes ids of up to 100 characters only (ignore_above); messages with longer ids fail with unindexed_key`,
  ]);
});

test.each([
  ['by its mapping', { _source: { mode: 'disabled' } }, {}],
  ['by its settings', {}, { 'mapping.source.mode': 'disabled' }],
])('an index that keeps no _source %s is refused', async (how, mapping, settings) => {
  const index = name(`none-${how.replaceAll(' ', '-')}`);
  await createIndex(index, { ...mapping, properties }, settings);
  expect(await rejection(inspect(index))).toMatchObject({
    kind: 'usage',
    message: `${index} keeps no _source: there are no documents to copy`,
  });
});

describe('what mappings and settings say, and who may not see them', () => {
  const type = { type: 'date', searchable: true, aggregatable: true };
  const caps = json(
    200,
    JSON.stringify({ indices: ['m-1', 'm-2'], fields: { '@timestamp': { date: type } } }),
  );
  const settings = '{"m-1":{"settings":{}},"m-2":{"settings":{}}}';
  const mappings = '{"m-1":{"mappings":{}},"m-2":{"mappings":{}}}';
  const denied = (action: string) =>
    json(403, `{"error":{"type":"security_exception","reason":"action [${action}] is denied"}}`);

  /** Stands in for Elasticsearch with its security on: the sandbox's is built without. */
  const server = (mapping: ReturnType<typeof json>, setting: ReturnType<typeof json>) =>
    troubled((response, request, body) => {
      const path = request.url ?? '';
      const answer = path.includes('_field_caps')
        ? caps
        : path.includes('_mapping')
          ? mapping
          : setting;
      answer(response, request, body);
    });
  const refused = async (url: string) => {
    const source = open({ urls: [url], index: 'm-*', dateField: '@timestamp' });
    return rejection(source.inspect(never));
  };
  const advice = expect.stringContaining('view_index_metadata') as string;

  test.each([
    ['mappings', denied('mappings/get'), json(200, settings)],
    ['settings', json(200, mappings), denied('settings/get')],
  ])('%s refused with 403', async (_, mapping, setting) => {
    const { url } = await server(mapping, setting);
    expect(await refused(url)).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/does not allow this \(403\).*\/get\] is denied/) as string,
      advice,
    });
  });

  test.each([
    ['mapping', json(200, '{"m-1":{"mappings":{}}}'), json(200, settings)],
    ['settings', json(200, mappings), json(200, '{"m-1":{"settings":{}}}')],
  ])('a %s left out of the answer, as for a pattern', async (what, mapping, setting) => {
    const { url } = await server(mapping, setting);
    expect(await refused(url)).toMatchObject({
      kind: 'usage',
      message: `Elasticsearch does not show the ${what} of m-2, which must be checked`,
      advice,
    });
  });

  test.each(['index.frozen', 'index.search.throttled'])(
    'an index with %s is refused',
    async (set) => {
      const frozen = `{"m-1":{"settings":{}},"m-2":{"settings":{"${set}":"true"}}}`;
      const { url } = await server(json(200, mappings), json(200, frozen));
      expect(await refused(url)).toMatchObject({
        kind: 'usage',
        message: 'm-2 is frozen, and searches pass over it',
        advice: expect.stringMatching(/^Unfreeze it/) as string,
      });
    },
  );

  test('one who may is let in', async () => {
    const { url } = await server(json(200, mappings), json(200, settings));
    const source = open({ urls: [url], index: 'm-*', dateField: '@timestamp' });
    expect(await source.inspect(never)).toEqual({ indices: ['m-1', 'm-2'], cautions: [] });
  });
});
