import { expect } from 'vitest';
import type { RelatedSettings, SourceSettings } from '../../src/core/settings.js';
import type { JoinProbe } from '../../src/core/elasticsearch/probe/types.js';
import { freshIndexPrefix } from '../support/sandbox.js';
import { bulk, createIndex, never, open, rejection } from './support.js';

export const keyword = { type: 'keyword' };
export const date = { type: 'date' };
export const FROM = Date.UTC(2024, 9, 1);
export const TO = Date.UTC(2024, 10, 1);
export const OCTOBER = { from: FROM, to: TO };

export interface Names {
  readonly messages: string;
  readonly history: string;
}

/** An index of messages and one of records, with these fields beside those that all have. */
export async function indices(messageFields: object, recordFields: object): Promise<Names> {
  const prefix = freshIndexPrefix();
  const [messages, history] = [`${prefix}messages`, `${prefix}history`];
  await createIndex(messages, { properties: { timestamp: date, ...messageFields } });
  await createIndex(history, { properties: { at: date, ...recordFields } });
  return { messages, history };
}

/** So many messages, spread over October; `source` makes what else a message has. */
export const add = (
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

export const addRecords = (index: string, count: number, source: (n: number) => object) =>
  bulk(
    index,
    Array.from({ length: count }, (_, n) => ({
      id: `r${n}`,
      source: JSON.stringify({ at: FROM + n, ...source(n) }),
    })),
  );

export interface Probed {
  readonly probes: readonly JoinProbe[];
  readonly said: readonly string[];
}

/** Inspects and probes as a run does. */
export async function probe(
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

export const refused = (...of: Parameters<typeof probe>) => rejection(probe(...of));
export const usage = (message: RegExp | string, advice?: RegExp | string) => ({
  kind: 'usage',
  message: typeof message === 'string' ? message : (expect.stringMatching(message) as string),
  ...(advice !== undefined && {
    advice: typeof advice === 'string' ? advice : (expect.stringMatching(advice) as string),
  }),
});
