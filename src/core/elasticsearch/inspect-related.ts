import { usage } from '../errors.js';
import { Refusals } from '../refusals.js';
import type { RelatedSettings } from '../settings.js';
import { fieldCaps, refuseNested, typesOf, type FieldCaps } from './field-caps.js';
import { inspectJoinField, type FieldLimits } from './inspect-join.js';
import type { ConcreteIndices } from './index-metadata.js';
import { inspectKeptSource } from './kept-source.js';
import { keywordLine } from './keyword-line.js';
import {
  fieldsOfMessages,
  ID,
  INDEX,
  requirePaired,
  type JoinField,
  type RelatedIndex,
  type RelatedSource,
} from './join.js';
import type { Requests } from './requests.js';

/** An Elasticsearch `_id` has at most this many bytes, and no more characters. */
const LONGEST_ID = 512;
/** An index name has at most this many bytes. */
const LONGEST_INDEX = 255;
/** Of comma-separated index names in one request: Elasticsearch takes 4,096 bytes for the whole line. */
const MOST_NAMES_BYTES = 2_000;

/**
 * Checks related indices and their joins: the fields on both sides are mapped so that a search finds every record, and
 * Elasticsearch has kept the records.
 *
 * @param messages what `source.index` stands for
 * @throws MigrateError `usage`
 */
export async function inspectRelated(
  requests: Requests,
  all: readonly RelatedSettings[],
  messages: ConcreteIndices,
  signal: AbortSignal,
): Promise<RelatedSource[]> {
  const fields = fieldsOfMessages(all.map(({ join }) => ({ join: join.map(withoutLimits) })));
  const caps =
    fields.length > 0
      ? await fieldCaps(requests, messages.index, fields, 'source.index', signal)
      : undefined;
  const limits = new Map<string, FieldLimits>();
  const inspected: RelatedSource[] = [];
  const refusals = new Refusals();
  for (const settings of all) {
    for (const [i, { on }] of settings.join.entries()) {
      if (!caps || limits.has(on) || !fields.includes(on)) continue;
      const setting = `source.related.${settings.name}.on${settings.join.length > 1 ? `[${i}]` : ''}`;
      const where = {
        ...{ where: messages, caps, field: on, setting, indexSetting: 'source.index' },
        keywordLine: () => keywordLine(requests, settings, messages, signal),
      };
      await refusals.collect(
        async () => void limits.set(on, await inspectJoinField(requests, where, signal)),
      );
    }
    await refusals.collect(
      async () =>
        void inspected.push(await inspectOne(requests, settings, messages, limits, signal)),
    );
  }
  refusals.throwAll();
  return inspected;
}

const withoutLimits = ({ key, on }: { key: string; on: string }): JoinField => {
  const longest = Number.MAX_SAFE_INTEGER;
  return { key, on, longestKey: longest, longestOn: longest, onPaths: [] };
};

async function inspectOne(
  requests: Requests,
  settings: RelatedSettings,
  messages: ConcreteIndices,
  limits: ReadonlyMap<string, FieldLimits>,
  signal: AbortSignal,
): Promise<RelatedSource> {
  const { name, index, optional } = settings;
  if (typeof index === 'string') {
    const found = await inspectIndex(requests, settings, [index], { messages, limits }, signal);
    return { name, pairs: undefined, ...found };
  }
  const paired = [...new Set(messages.indices.map((one) => requirePaired(name, index, one)))];
  const indices: RelatedIndex[] = [];
  const cautions: string[] = [];
  for (const some of optional ? paired.map((one) => [one]) : byLength(paired)) {
    const found = await inspectIndex(requests, settings, some, { messages, limits }, signal);
    indices.push(...found.indices);
    cautions.push(...found.cautions);
  }
  return { name, pairs: index, indices, cautions };
}

/** Names that fit into one request. */
function* byLength(names: readonly string[]): Generator<string[]> {
  let some: string[] = [];
  let bytes = 0;
  for (const name of names) {
    bytes += encodeURIComponent(name).length + 1;
    if (bytes > MOST_NAMES_BYTES && some.length > 0) {
      yield some;
      some = [];
      bytes = encodeURIComponent(name).length + 1;
    }
    some.push(name);
  }
  if (some.length > 0) yield some;
}

/** One index, or several that pairs lead to, which are looked at together. */
async function inspectIndex(
  requests: Requests,
  settings: RelatedSettings,
  names: readonly string[],
  {
    messages,
    limits,
  }: { readonly messages: ConcreteIndices; readonly limits: ReadonlyMap<string, FieldLimits> },
  signal: AbortSignal,
): Promise<{ indices: RelatedIndex[]; cautions: string[] }> {
  const { name, index: configured, join, sort, optional } = settings;
  const setting = `source.related.${name}`;
  const index = names.join(',');
  const fields = [...join.map(({ key }) => key), ...(sort === undefined ? [] : [sort])];
  const mayBeAbsent = optional && typeof configured !== 'string';
  const caps = await fieldCaps(requests, index, fields, `${setting}.index`, signal, mayBeAbsent);
  if (!caps) {
    const absent = { name, join: join.map(withoutLimits), absent: 'allowed' as const };
    return { indices: names.map((one) => ({ ...absent, index: one })), cautions: [] };
  }
  const where = { index, indices: caps.indices };
  const sorted = sort === undefined ? undefined : sortField(caps, { index, sort, setting });
  const cautions = await inspectKeptSource(requests, where, signal);
  const checked: JoinField[] = [];
  for (const [i, { key, on }] of join.entries()) {
    const one = `${setting}.key${join.length > 1 ? `[${i}]` : ''}`;
    const inspected = {
      ...{ where, caps, field: key, setting: one, indexSetting: `${setting}.index` },
      keywordLine: () => keywordLine(requests, settings, messages, signal),
    };
    const { longest: longestKey } = await inspectJoinField(requests, inspected, signal);
    const { longest: longestOn = Number.MAX_SAFE_INTEGER, paths: onPaths = [] } =
      limits.get(on) ?? {};
    cautions.push(...cautionsOf({ index, key, on, longestKey, longestOn, name }));
    checked.push({ key, on, longestKey, longestOn, onPaths });
  }
  const found = { name, join: checked, ...(sorted && { sort: sorted }) };
  return { indices: names.map((one) => ({ ...found, index: one })), cautions };
}

function cautionsOf(field: {
  readonly index: string;
  readonly key: string;
  readonly on: string;
  readonly longestKey: number;
  readonly longestOn: number;
  readonly name: string;
}): string[] {
  const { index, key, on, longestKey, longestOn, name } = field;
  const longestValue = on === ID ? LONGEST_ID : on === INDEX ? LONGEST_INDEX : longestOn;
  const what = on === ID ? 'ids' : `values of ${on}`;
  const short =
    longestKey < longestValue
      ? `${index}.${key} (source.related.${name}) indexes ${what} of up to ${longestKey} characters only (ignore_above); messages with longer ${on === ID ? 'ids' : 'ones'} fail with unindexed_key`
      : undefined;
  const own =
    on !== ID && on !== INDEX && longestOn < LONGEST_VALUE
      ? `the message's field ${on} (source.related.${name}.on) is indexed up to ${longestOn} characters only (ignore_above); messages with longer values fail with unindexed_key`
      : undefined;
  return [short, own].filter((one) => one !== undefined);
}

/** Lucene takes no longer value of a keyword, in bytes. */
const LONGEST_VALUE = 32_766;

function sortField(
  caps: FieldCaps,
  { index, sort, setting }: { index: string; sort: string; setting: string },
): NonNullable<RelatedIndex['sort']> {
  refuseNested(caps, sort, { index, setting: `${setting}.sort` });
  const types = typesOf(caps, sort).filter(({ type }) => type !== 'unmapped');
  const first = types[0];
  if (!first) throw usage(`${index} has no field ${sort}`, `Correct ${setting}.sort.`);
  if (types.some(({ aggregatable }) => !aggregatable)) {
    throw usage(
      `the field ${sort} of ${index} is ${first.type}: nothing can be sorted by it`,
      `Correct ${setting}.sort.`,
    );
  }
  if (types.length === 1) return { field: sort, type: first.type };
  if (types.every(({ type }) => type === 'date' || type === 'date_nanos')) {
    return { field: sort, type: 'date', numericType: 'date_nanos' };
  }
  throw usage(
    `the field ${sort} is ${types.map(({ type }) => type).join(' in one index and ')} in another of ${index}`,
    `Name a field of one type in ${setting}.sort.`,
  );
}
