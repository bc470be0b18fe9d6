import { fieldCapsAnswer, type FieldCaps } from '../field-caps.js';
import { indexSettings, type ConcreteIndices } from '../index-metadata.js';
import { indexPath } from '../query.js';
import type { RelatedIndex } from '../join.js';
import type { Requests } from '../requests.js';
import type { JoinPair } from './types.js';

/** Fields that are tried in the place of a configured one. */
const MOST_FIELDS = 50;
/** A search may ask for the doc values of so many fields. */
const DOC_VALUES = 'index.max_docvalue_fields_search';
const DEFAULT_DOC_VALUES = 100;

export interface CandidateFields {
  /** Keyword fields with doc values, those first whose names are most like the keys'. */
  readonly fields: readonly string[];
  /** What Elasticsearch says of all fields of the messages. */
  readonly caps: FieldCaps;
  /** The values of so many fields may be read besides the configured ones. */
  readonly room: number;
}

/** Pairs of fields that are tried to tell messages apart which share records. */
const MOST_TELLERS = 8;

export interface Tellers {
  /** Those first whose names promise most. */
  readonly pairs: readonly JoinPair[];
  /** What Elasticsearch says of all fields of the records. */
  readonly caps: FieldCaps;
}

/**
 * Fields that messages and records have both, by their names, and that the join lacks: what might tell messages apart that share
 * records, such as a tenant.
 *
 * @param messages what `candidateFields` found
 */
export async function tellersOf(
  requests: Requests,
  { index, join }: Pick<RelatedIndex, 'index' | 'join'>,
  messages: Pick<CandidateFields, 'caps' | 'room'>,
  signal: AbortSignal,
): Promise<Tellers> {
  const caps = await allFieldCaps(requests, index, signal);
  const keys = join.map(({ key }) => key);
  const room = await docValuesRoom(requests, { index, indices: caps.indices }, keys, signal);
  const [ons, own] = [join.map(({ on }) => on), possibleFields(messages.caps)];
  const pairs = possibleFields(caps)
    .filter((key) => !keys.includes(key))
    .flatMap((key) => {
      const alike = own.filter((on) => !ons.includes(on) && plain(on) === plain(key));
      const on = alike.includes(key) ? key : alike[0];
      return on === undefined ? [] : [{ key, on }];
    });
  const rank = ({ key, on }: JoinPair) => (TELLING.test(plain(key)) ? 0 : 2) + (key === on ? 0 : 1);
  const ranked = pairs.sort((a, b) => rank(a) - rank(b) || (a.key < b.key ? -1 : 1));
  const most = Math.max(0, Math.min(MOST_TELLERS, room, messages.room));
  return { pairs: ranked.slice(0, most), caps };
}

/** Names of what numbers its messages by itself. */
const TELLING =
  /(tenant|customer|client|account|organi[sz]ation|org|company|shop|site|workspace|project|owner|user|id|key|ref|number)/;

/**
 * Fields of the messages that a join could be by.
 *
 * @param configured fields whose values are read anyway
 * @param keys fields of the records that they would be compared with
 */
export async function candidateFields(
  requests: Requests,
  where: ConcreteIndices,
  { configured, keys }: { configured: readonly string[]; keys: readonly string[] },
  signal: AbortSignal,
): Promise<CandidateFields> {
  const caps = await allFieldCaps(requests, where.index, signal);
  const room = await docValuesRoom(requests, where, configured, signal);
  const possible = possibleFields(caps).filter((field) => !configured.includes(field));
  const ranked = possible
    .map((field) => ({ field, rank: Math.min(...keys.map((key) => unlikeness(field, key))) }))
    .sort((a, b) => a.rank - b.rank || (a.field < b.field ? -1 : 1))
    .map(({ field }) => field);
  return { fields: ranked.slice(0, Math.max(0, Math.min(MOST_FIELDS, room))), caps, room };
}

/** Of all types: Elasticsearch before 8.2 and OpenSearch do not know how to ask for keywords alone. */
async function allFieldCaps(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<FieldCaps> {
  return requests.json(
    {
      method: 'GET',
      path: `/${indexPath(index)}/_field_caps`,
      query: { fields: '*', allow_no_indices: false },
      signal,
    },
    fieldCapsAnswer,
  );
}

/** Of how many fields a search may ask for the doc values, besides these. */
async function docValuesRoom(
  requests: Requests,
  where: ConcreteIndices,
  fields: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const settings = await indexSettings(requests, where, [DOC_VALUES], signal);
  const limits = [...settings.values()].map((set) => Number(set[DOC_VALUES] ?? DEFAULT_DOC_VALUES));
  return Math.min(DEFAULT_DOC_VALUES, ...limits) - fields.length;
}

function possibleFields(caps: FieldCaps): string[] {
  return Object.keys(caps.fields).filter((field) => isPossible(caps, field));
}

/** A field of the mapping whose values can be read in every index that has it. */
function isPossible({ fields }: FieldCaps, field: string): boolean {
  if (METADATA.has(field)) return false;
  const types = Object.values(fields[field] ?? {});
  if (!types.every((one) => one.type === 'keyword' && one.aggregatable && !one.metadata_field))
    return false;
  const steps = field.split('.');
  const parents = steps.slice(1).map((_, i) => steps.slice(0, i + 1).join('.'));
  return !parents.some((parent) => fields[parent]?.['nested'] !== undefined);
}

/** Of servers that do not say which fields are metadata. */
const METADATA: ReadonlySet<string> = new Set([
  '_id',
  '_index',
  '_type',
  '_routing',
  '_ignored',
  '_tier',
  '_field_names',
  '_nested_path',
  '_tsid',
]);

/** How little a field's name is like a key's, 0 to 4. */
function unlikeness(field: string, key: string): number {
  if (field === key) return 0;
  const [own, other] = [plain(field), plain(key)];
  if (own === other) return 1;
  if (own.includes(other) || other.includes(own)) return 2;
  return /(id|key|ref|uuid|guid|no|number|reference)$/.test(own) ? 3 : 4;
}

/** `meta.Message-ID.keyword` as `messageid`. */
function plain(name: string): string {
  const last =
    name
      .replace(/\.(keyword|raw)$/, '')
      .split('.')
      .at(-1) ?? name;
  return last.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
}
