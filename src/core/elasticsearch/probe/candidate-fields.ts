import type { FieldCaps } from '../field-caps.js';
import { indexSettings, type ConcreteIndices } from '../index-metadata.js';
import { indexPath } from '../query.js';
import type { Requests } from '../requests.js';

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
}

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
  // Not only those of type keyword: Elasticsearch before 8.2 and OpenSearch do not know that parameter.
  const caps = (await requests.json({
    method: 'GET',
    path: `/${indexPath(where.index)}/_field_caps`,
    query: { fields: '*', allow_no_indices: false },
    signal,
  })) as FieldCaps;
  const settings = await indexSettings(requests, where, [DOC_VALUES], signal);
  const limits = [...settings.values()].map((set) => Number(set[DOC_VALUES] ?? DEFAULT_DOC_VALUES));
  const room = Math.min(DEFAULT_DOC_VALUES, ...limits) - configured.length;
  const possible = Object.keys(caps.fields).filter(
    (field) => !configured.includes(field) && isPossible(caps, field),
  );
  const ranked = possible
    .map((field) => ({ field, rank: Math.min(...keys.map((key) => unlikeness(field, key))) }))
    .sort((a, b) => a.rank - b.rank || (a.field < b.field ? -1 : 1))
    .map(({ field }) => field);
  return { fields: ranked.slice(0, Math.max(0, Math.min(MOST_FIELDS, room))), caps };
}

/** A field of the mapping whose values can be read in every index that has it. */
function isPossible({ fields }: FieldCaps, field: string): boolean {
  if (METADATA.has(field)) return false;
  const types = Object.values(fields[field] ?? {}) as (FieldCaps['fields'][string][string] & {
    readonly metadata_field?: boolean;
  })[];
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
