import { isMigrateError, usage } from '../errors.js';
import { isFault } from '../fault.js';
import type { RelatedSettings, SourceSettings } from '../settings.js';
import { INDEX_MISSING } from './faults.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject, MAX_HITS } from './query.js';
import type { Requests } from './requests.js';

/** What `source.index` stands for. */
export interface SourceIndices {
  /** Concrete index names, sorted. */
  readonly indices: readonly string[];
}

/** A related index, checked: what is needed to search it without missing a record. */
export interface RelatedIndex {
  readonly name: string;
  readonly index: string;
  readonly key: string;
  readonly sort?: {
    readonly field: string;
    readonly type: string;
    /** Set where the field is `date` in one index and `date_nanos` in another: both then sort as the latter. */
    readonly numericType?: 'date_nanos';
  };
  /** Ids with more characters than this are in no index (`ignore_above`): their records can't be searched for. */
  readonly longestKey: number;
}

interface FieldCaps {
  readonly indices: readonly string[];
  readonly fields: Readonly<Record<string, Readonly<Record<string, FieldType>>>>;
}
interface FieldType {
  readonly type: string;
  readonly searchable: boolean;
  readonly aggregatable: boolean;
  readonly indices?: readonly string[];
}
interface FieldMapping {
  readonly type: string;
  readonly ignore_above?: number;
  readonly normalizer?: string | null;
  readonly path?: string;
}

/**
 * Checks index, date field and filter. A range on an unmapped field or one that is no date answers 200 with
 * no hits: that must not look like an empty range.
 */
export async function inspectSource(
  requests: Requests,
  { index, dateField, filter }: SourceSettings,
  signal: AbortSignal,
): Promise<SourceIndices> {
  const caps = await fieldCaps(requests, index, [dateField], 'source.index', signal);
  const types = typesOf(caps, dateField);
  const unmapped = types.find(({ type }) => type === 'unmapped');
  if (types.length === 0 || (unmapped && types.length === 1)) {
    throw usage(`${index} has no field ${dateField}`, 'Correct source.dateField.');
  }
  if (unmapped) {
    throw usage(
      `${(unmapped.indices ?? []).join(', ')} has no field ${dateField}, so its messages are in no range`,
      'Narrow source.index to indices that have it.',
    );
  }
  const wrong = types.find(({ type }) => type !== 'date' && type !== 'date_nanos');
  if (wrong) {
    throw usage(
      `the field ${dateField} of ${index} is ${wrong.type}, not date`,
      'Correct source.dateField.',
    );
  }
  if (types.some(({ searchable }) => !searchable)) {
    throw usage(
      `the field ${dateField} of ${index} is not indexed, so no range can be searched`,
      'Correct source.dateField.',
    );
  }
  refuseNested(caps, dateField, { index, setting: 'source.dateField' });
  await refuseUnreadable(requests, index, signal);
  if (filter !== undefined) await tryFilter(requests, { index, filter }, signal);
  return { indices: [...caps.indices].sort() };
}

/** Checks one related index: key and sort field are mapped so that a search finds every record. */
export async function inspectRelated(
  requests: Requests,
  { name, index, key, sort }: RelatedSettings,
  signal: AbortSignal,
): Promise<RelatedIndex> {
  const where = `source.related.${name}`;
  const caps = await fieldCaps(
    requests,
    index,
    sort === undefined ? [key] : [key, sort],
    `${where}.index`,
    signal,
  );
  const types = typesOf(caps, key);
  const unmapped = types.find(({ type }) => type === 'unmapped');
  if (types.length === 0 || unmapped) {
    const indices = unmapped?.indices ?? caps.indices;
    throw usage(
      `${indices.join(', ')} has no field ${key}`,
      `Correct ${where}.key, or narrow ${where}.index.`,
    );
  }
  const wrong = types.find(({ type }) => type !== 'keyword');
  if (wrong) {
    throw usage(
      `the field ${key} of ${index} is ${wrong.type}, not keyword: searching it for an id would find nothing`,
      `Name a keyword field in ${where}.key${wrong.type === 'text' ? `, perhaps ${key}.keyword` : ''}.`,
    );
  }
  if (types.some(({ searchable, aggregatable }) => !searchable || !aggregatable)) {
    throw usage(
      `the field ${key} of ${index} is not indexed or has no doc values: its records can't be told apart`,
      `Name a keyword field with both in ${where}.key.`,
    );
  }
  refuseNested(caps, key, { index, setting: `${where}.key` });
  if (sort !== undefined) refuseNested(caps, sort, { index, setting: `${where}.sort` });
  await refuseUnreadable(requests, index, signal);
  const longestKey = await longestIndexedKey(requests, { index, key, where }, signal);
  const sorted = sort === undefined ? undefined : sortField(caps, { index, sort, where });
  return { name, index, key, longestKey, ...(sorted && { sort: sorted }) };
}

async function longestIndexedKey(
  requests: Requests,
  { index, key, where }: { index: string; key: string; where: string },
  signal: AbortSignal,
): Promise<number> {
  const mappings = await fieldMappings(requests, index, key, signal);
  const normalized = mappings.find(({ normalizer }) => normalizer != null);
  if (normalized) {
    throw usage(
      `the field ${key} of ${index} has the normalizer ${normalized.normalizer ?? ''}: ids that differ would find each other's records`,
      `Name a keyword field without normalizer in ${where}.key.`,
    );
  }
  return Math.min(
    ...mappings.map(({ ignore_above }) => ignore_above ?? Number.MAX_SAFE_INTEGER),
    Number.MAX_SAFE_INTEGER,
  );
}

function sortField(
  caps: FieldCaps,
  { index, sort, where }: { index: string; sort: string; where: string },
): NonNullable<RelatedIndex['sort']> {
  const types = typesOf(caps, sort).filter(({ type }) => type !== 'unmapped');
  const first = types[0];
  if (!first) throw usage(`${index} has no field ${sort}`, `Correct ${where}.sort.`);
  if (types.some(({ aggregatable }) => !aggregatable)) {
    throw usage(
      `the field ${sort} of ${index} is ${first.type}: nothing can be sorted by it`,
      `Correct ${where}.sort.`,
    );
  }
  if (types.length === 1) return { field: sort, type: first.type };
  if (types.every(({ type }) => type === 'date' || type === 'date_nanos')) {
    return { field: sort, type: 'date', numericType: 'date_nanos' };
  }
  throw usage(
    `the field ${sort} is ${types.map(({ type }) => type).join(' in one index and ')} in another of ${index}`,
    `Name a field of one type in ${where}.sort.`,
  );
}

async function fieldCaps(
  requests: Requests,
  index: string,
  fields: readonly string[],
  where: string,
  signal: AbortSignal,
): Promise<FieldCaps> {
  let caps: FieldCaps;
  try {
    caps = (await requests.json({
      method: 'GET',
      path: `/${indexPath(index)}/_field_caps`,
      query: { fields: fields.join(','), include_unmapped: true, allow_no_indices: false },
      signal,
    })) as FieldCaps;
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) throw noIndex(index, where);
    if (isFault(error))
      throw usage(`${index} can't be read: ${error.message}`, `Correct ${where}.`, error);
    throw error;
  }
  if (caps.indices.length === 0) throw noIndex(index, where);
  return caps;
}

function noIndex(index: string, where: string): Error {
  return usage(
    `there is no index ${index}`,
    `Correct ${where}; patterns like messages-* work, too.`,
  );
}

function typesOf(caps: FieldCaps, field: string): FieldType[] {
  return Object.values(caps.fields[field] ?? {});
}

/** The field's mapping in each index, aliases followed. */
async function fieldMappings(
  requests: Requests,
  index: string,
  field: string,
  signal: AbortSignal,
): Promise<FieldMapping[]> {
  const answer = (await requests.json({
    method: 'GET',
    path: `/${indexPath(index)}/_mapping/field/${encodeURIComponent(field)}`,
    query: { include_defaults: true },
    signal,
  })) as Record<string, { mappings: Record<string, { mapping: Record<string, FieldMapping> }> }>;
  const found = Object.values(answer).flatMap(({ mappings }) =>
    Object.values(mappings[field]?.mapping ?? {}),
  );
  const aliases = [
    ...new Set(
      found.flatMap(({ type, path }) => (type === 'alias' && path !== undefined ? [path] : [])),
    ),
  ];
  const behind = await Promise.all(
    aliases.map((path) => fieldMappings(requests, index, path, signal)),
  );
  return [...found.filter(({ type }) => type !== 'alias'), ...behind.flat()];
}

/** A field inside a `nested` object is found by nested queries alone: a plain one would silently find nothing. */
function refuseNested(
  caps: FieldCaps,
  field: string,
  { index, setting }: { index: string; setting: string },
): void {
  const steps = field.split('.');
  const parents = steps.slice(1).map((_, i) => steps.slice(0, i + 1).join('.'));
  const nested = parents.find((parent) =>
    typesOf(caps, parent).some(({ type }) => type === 'nested'),
  );
  if (nested === undefined) return;
  throw usage(
    `the field ${field} of ${index} is inside ${nested}, which is nested: searching it would find nothing`,
    `Name a field outside of it in ${setting}.`,
  );
}

async function refuseUnreadable(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<void> {
  await refuseWithoutSource(requests, index, signal);
  await refuseSmallWindow(requests, index, signal);
}

/** Pages of 10,000 are asked for, the default of `index.max_result_window`; a lower one refuses them. */
async function refuseSmallWindow(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = (await requests.json({
    method: 'GET',
    path: `/${indexPath(index)}/_settings/index.max_result_window`,
    query: { flat_settings: true },
    signal,
  })) as Record<string, { settings: Record<string, string> }>;
  for (const [name, { settings }] of Object.entries(answer)) {
    const window = Number(settings['index.max_result_window'] ?? MAX_HITS);
    if (window < MAX_HITS) {
      throw usage(
        `${name} answers at most ${window} hits at once (index.max_result_window), ${MAX_HITS} are needed`,
        'Raise that setting; it can be changed while the index is in use.',
      );
    }
  }
}

/** An index may be told to keep no `_source` at all: then there is nothing to copy. */
async function refuseWithoutSource(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = (await requests.json({
    method: 'GET',
    path: `/${indexPath(index)}/_mapping`,
    query: { filter_path: '*.mappings._source' },
    signal,
  })) as Record<string, { mappings: { _source?: { enabled?: boolean | string } } }>;
  for (const [name, { mappings }] of Object.entries(answer)) {
    if (String(mappings._source?.enabled) === 'false') {
      throw usage(
        `${name} keeps no _source: there are no documents to copy`,
        'Leave this index out.',
      );
    }
  }
}

async function tryFilter(
  requests: Requests,
  { index, filter }: { index: string; filter: string },
  signal: AbortSignal,
): Promise<void> {
  // Without a range: where that matches nothing, Elasticsearch leaves the filter unread.
  const query = `{"bool":{"filter":[${filter}]}}`;
  const body = jsonObject({ size: '0', query, track_total_hits: 'false' });
  try {
    await requests.search({
      method: 'POST',
      path: `/${indexPath(index)}/_search`,
      query: STRICT,
      body,
      signal,
    });
  } catch (error) {
    if (isMigrateError(error) || !isFault(error)) throw error;
    throw usage(
      `the filter is not a query Elasticsearch takes: ${error.message}`,
      'Correct source.filter or --filter.',
      error,
    );
  }
}
