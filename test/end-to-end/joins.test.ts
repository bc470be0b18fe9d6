import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { runBinary } from '../support/binary.js';
import { makeProject, type Project } from '../support/project.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import { expectedJoins, type Document, type ExpectedJoin } from './expected-joins.js';
import { documentsOf, landedObjects } from './landed.js';

const RANGE = ['--from', '2024-10-01', '--to', '2024-10-03'];
const keyword = { type: 'keyword' };
const fields = { tenant: keyword, message_id: keyword, threads: keyword };
/** More than one page and one batch. */
const MESSAGES = 1_100;

/** The same documents for every run: a number below `below` out of some text. */
function drawn(text: string, below: number): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) % below;
}

/** Messages in two monthly indices, with ids that occur in both, and records in two. */
function documents(prefix: string): { messages: Document[]; records: Document[] } {
  const messages: Document[] = [];
  const records: Document[] = [];
  for (const month of ['a', 'b']) {
    for (let i = 0; i < MESSAGES; i += 1) {
      const id = month === 'a' || i % 5 === 0 ? `id-${i}` : `only-b-${i}`;
      const day = 1 + drawn(`day ${month}${i}`, 3);
      const parts = [
        `"timestamp":"2024-10-0${day}T10:00:00Z"`,
        `"n":${i}.10`,
        ...(i % 11 === 0 ? [] : [`"tenant":"t${drawn(`tenant ${month}${i}`, 3)}"`]),
        ...(i % 13 === 0 ? [] : [`"message_id":"m${month}${i}"`]),
        ...(i % 7 === 0 ? [`"threads":["x${i % 14}","x${i % 21}"]`] : []),
      ];
      messages.push({ index: `${prefix}messages-${month}`, id, source: `{${parts.join(', ')}}` });
    }
    for (let i = 0; i < 3 * MESSAGES; i += 1) {
      const of = drawn(`of ${month}${i}`, MESSAGES);
      const key = [`id-${of}`, `m${month}${of}`, `x${of % 21}`][i % 3] ?? '';
      const keys = i % 17 === 0 ? `["${key}","nobody"]` : `"${key}"`;
      const at = i % 19 === 0 ? '' : `"at":"2024-10-0${1 + (i % 9)}T00:00:00Z",`;
      const tenant = i % 23 === 0 ? '' : `"tenant":"t${drawn(`of ${month}${of} ${i % 2}`, 3)}",`;
      const source = `{${at}${tenant}"key":${keys},"n":${i}}`;
      records.push({ index: `${prefix}history-${month}`, id: `r${i}`, source });
    }
  }
  return { messages, records };
}

async function load(prefix: string, all: readonly Document[]): Promise<void> {
  const { url } = sandbox().elasticsearch;
  const send = async (method: string, path: string, body: string) => {
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await fetch(`${url}/${path}`, { method, headers, body });
    const text = await answer.text();
    expect(answer.ok && !text.includes('"errors":true'), text.slice(0, 500)).toBe(true);
  };
  const mappings = (own: object) =>
    JSON.stringify({ mappings: { properties: { timestamp: { type: 'date' }, ...own } } });
  for (const month of ['a', 'b']) {
    await send('PUT', `${prefix}messages-${month}`, mappings(fields));
    const own = { at: { type: 'date' }, tenant: keyword, key: keyword };
    await send('PUT', `${prefix}history-${month}`, mappings(own));
  }
  const lines = all.map(
    ({ index, id, source }) => `{"index":{"_index":"${index}","_id":"${id}"}}\n${source}\n`,
  );
  await send('POST', '_bulk?refresh=true', lines.join(''));
}

it.each<[string, 'message' | 'batch', (prefix: string) => object, ExpectedJoin]>([
  [
    'a field of the message',
    'message',
    (prefix) => ({ index: `${prefix}history-*`, key: 'key', on: 'message_id' }),
    { key: ['key'], on: ['message_id'] },
  ],
  [
    'several fields, one of them the id, index by index',
    'batch',
    (prefix) => ({
      index: { [`${prefix}messages-(.)`]: `${prefix}history-$1` },
      key: ['tenant', 'key'],
      on: ['tenant', '_id'],
      // By chance, another field has the records of as many messages.
      probe: false,
    }),
    { key: ['tenant', 'key'], on: ['tenant', '_id'], byMonth: true },
  ],
  [
    'a field of several values, index by index',
    'message',
    (prefix) => ({
      index: { [`${prefix}messages-(.)`]: `${prefix}history-$1` },
      key: 'key',
      on: 'threads',
      probe: false,
    }),
    { key: ['key'], on: ['threads'], byMonth: true },
  ],
])('records are joined by %s, layout %s', async (_, layout, related, join) => {
  const prefix = freshIndexPrefix();
  const { messages, records } = documents(prefix);
  await load(prefix, [...messages, ...records]);
  const expected = expectedJoins(messages, records, join);
  const project = await makeProject({
    indices: prefix,
    layout,
    settings: {
      source: {
        index: `${prefix}messages-*`,
        related: { history: { ...related(prefix), sort: 'at' } },
      },
    },
  });
  const run = await runBinary(['run', ...RANGE, '--level', 'content', '--json'], project);
  expect(run.code, run.stderr).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject({
    process: {
      completed: 2 * MESSAGES,
      related: { history: { messages: 2 * MESSAGES, ...expected.sums, unknown: 0 } },
    },
  });
  expect(await landed(project, layout)).toEqual([...expected.documents].sort());
});

async function landed(project: Project, layout: 'message' | 'batch'): Promise<string[]> {
  const objects = [...(await landedObjects(project))].filter(([key]) => !key.startsWith('_index/'));
  const documents = objects.flatMap(([, bytes]) =>
    layout === 'batch' ? documentsOf(bytes) : [bytes.toString('utf8')],
  );
  return documents.sort();
}
