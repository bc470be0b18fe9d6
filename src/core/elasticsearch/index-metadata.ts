import { z } from 'zod';
import { usage } from '../errors.js';
import { isFault } from '../fault.js';
import { INDEX_MISSING } from './faults.js';
import { byName } from './json-answer.js';
import { listed } from '../words.js';
import { indexPath } from './query.js';
import type { Requests } from './requests.js';

/** What a name, alias or pattern stands for: as the user wrote it, and its concrete indices. */
export interface ConcreteIndices {
  readonly index: string;
  readonly indices: readonly string[];
}

const names = z.array(z.string());
const fieldMapping = z.object({
  type: z.string().optional(),
  path: z.string().optional(),
  ignore_above: z.number().optional(),
  normalizer: z.string().nullish(),
  null_value: z.unknown().optional(),
  mode: z.string().optional(),
  enabled: z.union([z.boolean(), z.string()]).optional(),
  includes: names.optional(),
  excludes: names.optional(),
});
const mappingsAnswer = byName(
  z.object({ mappings: byName(z.object({ mapping: byName(fieldMapping) })) }),
);
const settingsAnswer = byName(z.object({ settings: byName(z.string()).optional() }));

/** One field's mapping, as far as it matters here; of `_source`, what it says of that. */
export type FieldMapping = z.infer<typeof fieldMapping>;

/**
 * A field's mapping in each concrete index, defaults included; none in an index that lacks the field. Also for the
 * metadata field `_source`.
 *
 * @throws MigrateError `usage` where the user may not see it
 */
export async function fieldMappings(
  requests: Requests,
  where: ConcreteIndices,
  field: string,
  signal: AbortSignal,
): Promise<Map<string, FieldMapping[]>> {
  const answer = await requests.json(
    {
      method: 'GET',
      path: `/${indexPath(where.index)}/_mapping/field/${encodeURIComponent(field)}`,
      query: { include_defaults: true },
      signal,
    },
    mappingsAnswer,
  );
  return eachIndex(where, answer, 'mapping', ({ mappings }) =>
    Object.values(mappings[field]?.mapping ?? {}),
  );
}

/**
 * What is set for each concrete index of these settings, by full name; defaults are not.
 *
 * @throws MigrateError `usage` where the user may not see them
 */
export async function indexSettings(
  requests: Requests,
  where: ConcreteIndices,
  names: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, IndexSettings>> {
  const answer = await requests.json(
    {
      method: 'GET',
      path: `/${indexPath(where.index)}/_settings/${names.join(',')}`,
      // An index with none of them set is in the answer only for its defaults.
      query: { flat_settings: true, include_defaults: true },
      signal,
    },
    settingsAnswer,
  );
  return eachIndex(where, answer, 'settings', ({ settings = {} }) => settings);
}

/**
 * The UUIDs of the concrete indices that a name, alias, pattern or list of these stands for, by their names; what is not there
 * is left out. An index that was deleted and made again under its name has another one.
 *
 * @throws MigrateError `usage` where the user may not see them
 */
export async function indexUuids(
  requests: Requests,
  index: string,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  try {
    const answer = await requests.json(
      {
        method: 'GET',
        path: `/${indexPath(index)}/_settings/${UUID}`,
        query: { flat_settings: true, ignore_unavailable: true, allow_no_indices: true },
        signal,
      },
      settingsAnswer,
    );
    return new Map(
      Object.entries(answer).flatMap(([name, { settings }]): [string, string][] => {
        const uuid = settings?.[UUID];
        return uuid === undefined ? [] : [[name, uuid]];
      }),
    );
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) return new Map();
    throw error;
  }
}

const UUID = 'index.uuid';

/** Values by full name, such as `index.mode`. */
export type IndexSettings = Readonly<Record<string, string>>;

/**
 * Where a pattern stands for indices the user may search but not look into, Elasticsearch leaves them out of its
 * answer, and what can't be seen would count as fine.
 */
function eachIndex<A, T>(
  { indices }: ConcreteIndices,
  answer: Readonly<Record<string, A>>,
  what: string,
  read: (one: A) => T,
): Map<string, T> {
  const unseen = indices.filter((name) => !Object.hasOwn(answer, name));
  if (unseen.length > 0) {
    throw usage(
      `Elasticsearch does not show the ${what} of ${listed(unseen)}, which must be checked`,
      'Grant the user the privileges read and view_index_metadata on the source and related indices.',
    );
  }
  return new Map(
    Object.entries(answer)
      .filter(([name]) => indices.includes(name))
      .map(([name, one]) => [name, read(one)]),
  );
}
