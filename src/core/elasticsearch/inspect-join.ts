import { usage } from '../errors.js';
import { refuseNested, typesOf, type FieldCaps } from './field-caps.js';
import { fieldMappings, type ConcreteIndices, type FieldMapping } from './index-metadata.js';
import { listed } from '../words.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject } from './query.js';
import type { Requests } from './requests.js';

/** A field of a join, where it is and which setting named it. */
export interface InspectedField {
  readonly where: ConcreteIndices;
  readonly caps: FieldCaps;
  readonly field: string;
  /** Such as `source.related.history.key`. */
  readonly setting: string;
  /** Which setting named the index. */
  readonly indexSetting: string;
  /** The line to write where some field is text, and the same value is there as a keyword; undefined where it is not. */
  readonly keywordLine?: () => Promise<string | undefined>;
}

/** What a join has to know of one of its fields. */
export interface FieldLimits {
  /** Values with more characters are not indexed (`ignore_above`); beyond any value where nothing limits it. */
  readonly longest: number;
  /** The field's own names, aliases followed. */
  readonly paths: readonly string[];
}

/**
 * Checks that a join can stand on this field: each value is there as it was sent, to be searched for and to be read.
 *
 * @throws MigrateError `usage`
 */
export async function inspectJoinField(
  requests: Requests,
  inspected: InspectedField,
  signal: AbortSignal,
): Promise<FieldLimits> {
  await refuseUnmapped(requests, inspected, signal);
  await refuseType(inspected);
  const { where, field } = inspected;
  const found = await mappingsOf(requests, where, field, signal);
  for (const { mapping } of found) refuseChangedValues(inspected, mapping);
  return {
    longest: Math.min(
      Number.MAX_SAFE_INTEGER,
      ...found.map(({ mapping }) => mapping.ignore_above ?? Number.MAX_SAFE_INTEGER),
    ),
    paths: [...new Set([field, ...found.map(({ path }) => path)])],
  };
}

/** An index without the field is fine as long as it is empty, as one that was made for the next month is. */
async function refuseUnmapped(
  requests: Requests,
  { caps, field, setting, indexSetting }: InspectedField,
  signal: AbortSignal,
): Promise<void> {
  const types = typesOf(caps, field);
  const unmapped = types.find(({ type }) => type === 'unmapped');
  if (types.length > 0 && !unmapped) return;
  const without = unmapped?.indices ?? caps.indices;
  const isNowhere = types.every(({ type }) => type === 'unmapped');
  if (!isNowhere && !(await haveDocuments(requests, without, signal))) return;
  throw usage(
    `${listed(without)} has no field ${field}`,
    `Correct ${setting}, or narrow ${indexSetting}.`,
  );
}

/** Whether any document is in one of these indices. */
export async function haveDocuments(
  requests: Requests,
  indices: readonly string[],
  signal: AbortSignal,
): Promise<boolean> {
  const body = jsonObject({ size: '1', _source: 'false', track_total_hits: 'false' });
  for (const index of indices) {
    const path = `/${indexPath(index)}/_search`;
    const answer = await requests.search({ method: 'POST', path, query: STRICT, body, signal });
    if (answer === 'too-large' || answer.hits.length > 0) return true;
  }
  return false;
}

async function refuseType(inspected: InspectedField): Promise<void> {
  const { where, caps, field, setting, keywordLine } = inspected;
  const { index } = where;
  const types = typesOf(caps, field).filter(({ type }) => type !== 'unmapped');
  const wrong = types.find(({ type }) => type !== 'keyword');
  if (wrong) {
    const line = wrong.type === 'text' ? await keywordLine?.() : undefined;
    throw usage(
      `the field ${field} of ${index} is ${wrong.type}, not keyword: searching it for a value would find nothing`,
      line === undefined ? `Name a keyword field in ${setting}.` : `Write ${line}`,
    );
  }
  if (types.some(({ searchable, aggregatable }) => !searchable || !aggregatable)) {
    throw usage(
      `the field ${field} of ${index} is not indexed or has no doc values: its records can't be told apart`,
      `Name a keyword field with both in ${setting}.`,
    );
  }
  refuseNested(caps, field, { index, setting });
}

function refuseChangedValues(
  { where, field, setting }: InspectedField,
  { normalizer, null_value }: FieldMapping,
): void {
  if (normalizer != null) {
    throw usage(
      `the field ${field} of ${where.index} has the normalizer ${normalizer}: ids that differ would find each other's records`,
      `Name a keyword field without normalizer in ${setting}.`,
    );
  }
  if (null_value != null) {
    throw usage(
      `the field ${field} of ${where.index} has the null_value ${JSON.stringify(null_value)}: documents without a value would be found as if they had it`,
      `Name a keyword field without null_value in ${setting}.`,
    );
  }
}

/** The field's mapping in each index that has it, aliases followed. */
async function mappingsOf(
  requests: Requests,
  where: ConcreteIndices,
  field: string,
  signal: AbortSignal,
): Promise<{ path: string; mapping: FieldMapping }[]> {
  const found = [...(await fieldMappings(requests, where, field, signal)).values()].flat();
  const aliases = [
    ...new Set(
      found.flatMap(({ type, path }) => (type === 'alias' && path !== undefined ? [path] : [])),
    ),
  ];
  const behind = await Promise.all(
    aliases.map((path) => mappingsOf(requests, where, path, signal)),
  );
  const own = found
    .filter(({ type }) => type !== 'alias')
    .map((mapping) => ({ path: field, mapping }));
  return [...own, ...behind.flat()];
}
