import { connect, type Connections } from '../../src/core/connect.js';
import type { Source } from '../../src/core/elasticsearch/source.js';
import type { Settings, SourceSettings } from '../../src/core/settings.js';
import { quietRun, settingsFor } from '../support/core.js';
import { sandbox } from '../support/sandbox.js';
import type { Tracking } from '../support/tracking.js';

export interface TestMessage {
  readonly id: string;
  /** Milliseconds since the epoch, or as a document says it. */
  readonly at: number | string;
  readonly channel?: string;
}

const ask = async (method: string, path: string, body: string): Promise<void> => {
  const response = await fetch(`${sandbox().elasticsearch.url}/${path}`, {
    method,
    headers: { 'content-type': 'application/x-ndjson' },
    body,
  });
  const answer = await response.text();
  if (!response.ok || answer.includes('"errors":true')) throw new Error(answer.slice(0, 500));
};

/** Makes an index of messages if it isn't there. */
export function createIndex(index: string, { shards = 1 } = {}): Promise<void> {
  return ask(
    'PUT',
    index,
    JSON.stringify({
      settings: { number_of_shards: shards, number_of_replicas: 0 },
      mappings: { properties: { timestamp: { type: 'date' }, channel: { type: 'keyword' } } },
    }),
  );
}

/** Adds messages, searchable when it resolves. */
export async function addMessages(index: string, messages: readonly TestMessage[]): Promise<void> {
  for (let first = 0; first < messages.length; first += 10_000) {
    const lines = messages
      .slice(first, first + 10_000)
      .map(({ id, at, channel }) =>
        [{ index: { _id: id } }, { timestamp: at, ...(channel && { channel }) }]
          .map((line) => JSON.stringify(line))
          .join('\n'),
      );
    await ask('POST', `${index}/_bulk?refresh=true`, `${lines.join('\n')}\n`);
  }
}

export const alias = (index: string, name: string): Promise<void> =>
  ask('PUT', `${index}/_alias/${name}`, '{}');

export const closePit = (pitId: string): Promise<void> =>
  ask('DELETE', '_pit', JSON.stringify({ id: pitId }));

export function connectTo(
  tracking: Tracking,
  source: Partial<SourceSettings> & { index: string },
  changes: Partial<Settings> = {},
): Promise<Connections> {
  const settings = settingsFor(tracking, changes);
  return connect(
    { ...settings, source: { ...settings.source, ...source } },
    { source: true },
    quietRun(),
  );
}

/** The same connections, with some of the source's functions replaced. */
export function withSource(on: Connections, changes: Partial<Source>): Connections {
  return Object.create(on, { source: { value: { ...on.source, ...changes } } }) as Connections;
}
