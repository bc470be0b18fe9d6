import { onTestFinished } from 'vitest';
import { openSource, type Source } from '../../src/core/elasticsearch/source.js';
import type { RelatedIndex } from '../../src/core/elasticsearch/join.js';
import type { RelatedSettings, SourceSettings } from '../../src/core/settings.js';
import { sandbox } from '../support/sandbox.js';

/** A signal that is never aborted. */
export const never = new AbortController().signal;
export const MIB = 1 << 20;

/** A request to the sandbox's Elasticsearch; the body goes out as it stands, since numbers matter. */
export async function es(method: string, path: string, body?: string | Buffer): Promise<string> {
  const answer = await fetch(new URL(path, sandbox().elasticsearch.url), {
    method,
    ...(body !== undefined && { body: new Uint8Array(Buffer.from(body)) }),
    headers: { 'content-type': 'application/json' },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text;
}

/** Makes an index of one shard; `definition` is what the API takes, with `mappings` and `settings`. */
export async function createIndex(
  name: string,
  mappings: object,
  settings: Record<string, unknown> = {},
): Promise<void> {
  const all = { number_of_shards: 1, number_of_replicas: 0, ...settings };
  await es('PUT', `/${encodeURIComponent(name)}`, JSON.stringify({ mappings, settings: all }));
}

/** Stores one document, its source as it stands. */
export async function put(
  index: string,
  id: string,
  source: string | Buffer,
  routing?: string,
): Promise<void> {
  const query = routing === undefined ? '' : `?routing=${encodeURIComponent(routing)}`;
  await es('PUT', `/${index}/_doc/${encodeURIComponent(id)}${query}`, source);
}

/** Stores many documents, each on one line. */
export async function bulk(
  index: string,
  documents: readonly { readonly id: string; readonly source: string }[],
): Promise<void> {
  for (let next = 0; next < documents.length; next += 5000) {
    const lines = documents
      .slice(next, next + 5000)
      .map(({ id, source }) => `{"index":{"_id":${JSON.stringify(id)}}}\n${source}\n`);
    const answer = await es('POST', `/${index}/_bulk`, lines.join(''));
    if (!answer.includes('"errors":false')) throw new Error(answer.slice(0, 2000));
  }
  await refresh(index);
}

export async function refresh(index: string): Promise<void> {
  await es('POST', `/${index}/_refresh`);
}

export function settings(changes: Partial<SourceSettings> = {}): SourceSettings {
  return {
    urls: [sandbox().elasticsearch.url],
    insecure: false,
    index: 'messages',
    dateField: 'timestamp',
    related: [],
    ...changes,
  };
}

/** Opened for one test. Requests are retried for 10 s, unless told otherwise. */
export function open(changes: Partial<SourceSettings> = {}, retryForMs = 10_000): Source {
  const source = openSource(
    settings(changes),
    { sourceRequestsPerSecond: 0, sourceLoad: 0, sourceLatencyTargetMs: 0, maxInFlightBytes: 0 },
    { retryForMs, report: () => undefined },
  );
  onTestFinished(() => source.close());
  return source;
}

export const related = (
  name: string,
  index: RelatedSettings['index'],
  {
    key = 'message_id',
    on = '_id',
    sort,
  }: { key?: string | string[]; on?: string | string[]; sort?: string } = {},
): RelatedSettings => ({
  name,
  index,
  join: [key].flat().map((field, i) => ({ key: field, on: [on].flat()[i] ?? '_id' })),
  ...(sort !== undefined && { sort }),
  optional: false,
  probe: true,
});

/** A related index as `inspectRelated` finds one with the key `message_id`, for sources that were not asked. */
export const inspected = (name: string, index: string): RelatedIndex => ({
  name,
  index,
  join: [{ key: 'message_id', on: '_id', longestKey: 512, longestOn: 512, onPaths: [] }],
});

/** What a promise was rejected with; fails where it was not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a rejection');
}
