import { usage } from '../errors.js';
import type { RelatedSettings } from '../settings.js';
import { fieldCaps, refuseNested, typesOf, type FieldCaps } from './field-caps.js';
import { fieldMappings, type ConcreteIndices, type FieldMapping } from './index-metadata.js';
import { inspectKeptSource } from './kept-source.js';
import type { Requests } from './requests.js';

/** An Elasticsearch `_id` has at most this many bytes, and no more characters. */
const LONGEST_ID = 512;

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
  /** What the user should know before the job starts, one line each. */
  readonly cautions: readonly string[];
}

/**
 * Checks one related index: key and sort field are mapped so that a search finds every record, and Elasticsearch has
 * kept the records.
 *
 * @throws MigrateError `usage`
 */
export async function inspectRelated(
  requests: Requests,
  { name, index, key, sort }: RelatedSettings,
  signal: AbortSignal,
): Promise<RelatedIndex> {
  const setting = `source.related.${name}`;
  const fields = sort === undefined ? [key] : [key, sort];
  const caps = await fieldCaps(requests, index, fields, `${setting}.index`, signal);
  refuseUnsearchableKey(caps, { index, key, setting });
  const sorted = sort === undefined ? undefined : sortField(caps, { index, sort, setting });
  const where = { index, indices: caps.indices };
  const rewritten = await inspectKeptSource(requests, where, signal);
  const longestKey = await longestIndexedKey(requests, where, { key, setting }, signal);
  const short =
    longestKey < LONGEST_ID
      ? [
          `${index}.${key} (${setting}) indexes ids of up to ${longestKey} characters only (ignore_above); messages with longer ids fail with unindexed_key`,
        ]
      : [];
  const cautions = [...rewritten, ...short];
  return { name, index, key, longestKey, cautions, ...(sorted && { sort: sorted }) };
}

function refuseUnsearchableKey(
  caps: FieldCaps,
  { index, key, setting }: { index: string; key: string; setting: string },
): void {
  const types = typesOf(caps, key);
  const unmapped = types.find(({ type }) => type === 'unmapped');
  if (types.length === 0 || unmapped) {
    const indices = unmapped?.indices ?? caps.indices;
    throw usage(
      `${indices.join(', ')} has no field ${key}`,
      `Correct ${setting}.key, or narrow ${setting}.index.`,
    );
  }
  const wrong = types.find(({ type }) => type !== 'keyword');
  if (wrong) {
    throw usage(
      `the field ${key} of ${index} is ${wrong.type}, not keyword: searching it for an id would find nothing`,
      `Name a keyword field in ${setting}.key${wrong.type === 'text' ? `, perhaps ${key}.keyword` : ''}.`,
    );
  }
  if (types.some(({ searchable, aggregatable }) => !searchable || !aggregatable)) {
    throw usage(
      `the field ${key} of ${index} is not indexed or has no doc values: its records can't be told apart`,
      `Name a keyword field with both in ${setting}.key.`,
    );
  }
  refuseNested(caps, key, { index, setting: `${setting}.key` });
}

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

/** In characters; more than any id has where nothing limits it. */
async function longestIndexedKey(
  requests: Requests,
  where: ConcreteIndices,
  { key, setting }: { key: string; setting: string },
  signal: AbortSignal,
): Promise<number> {
  const mappings = await keyMappings(requests, where, key, signal);
  const normalized = mappings.find(({ normalizer }) => normalizer != null);
  if (normalized) {
    throw usage(
      `the field ${key} of ${where.index} has the normalizer ${normalized.normalizer ?? ''}: ids that differ would find each other's records`,
      `Name a keyword field without normalizer in ${setting}.key.`,
    );
  }
  return Math.min(
    ...mappings.map(({ ignore_above }) => ignore_above ?? Number.MAX_SAFE_INTEGER),
    Number.MAX_SAFE_INTEGER,
  );
}

/** The key's mapping in each index that has it, aliases followed. */
async function keyMappings(
  requests: Requests,
  where: ConcreteIndices,
  key: string,
  signal: AbortSignal,
): Promise<FieldMapping[]> {
  const found = [...(await fieldMappings(requests, where, key, signal)).values()].flat();
  const aliases = [
    ...new Set(
      found.flatMap(({ type, path }) => (type === 'alias' && path !== undefined ? [path] : [])),
    ),
  ];
  const behind = await Promise.all(
    aliases.map((path) => keyMappings(requests, where, path, signal)),
  );
  return [...found.filter(({ type }) => type !== 'alias'), ...behind.flat()];
}
