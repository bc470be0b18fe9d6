import { usage } from '../errors.js';
import {
  fieldMappings,
  indexSettings,
  type ConcreteIndices,
  type FieldMapping,
  type IndexSettings,
} from './index-metadata.js';
import { listed } from '../words.js';
import { MAX_HITS } from './query.js';
import type { Requests } from './requests.js';

const WINDOW = 'index.max_result_window';
const SOURCE_MODE = 'index.mapping.source.mode';
const INDEX_MODE = 'index.mode';
const FROZEN = 'index.frozen';
const THROTTLED = 'index.search.throttled';

/**
 * Checks that documents can be read from these indices, and whether Elasticsearch gives them as they were sent to it.
 *
 * @returns what the user should know, one line each: where it rewrites `_source`, or has kept only a part
 * @throws MigrateError `usage` where an index keeps no `_source` or answers too few hits at once, or where the user
 *   may not see mappings and settings; or where an index is frozen
 */
export async function inspectKeptSource(
  requests: Requests,
  where: ConcreteIndices,
  signal: AbortSignal,
): Promise<string[]> {
  const [mappings, settings] = await Promise.all([
    fieldMappings(requests, where, '_source', signal),
    indexSettings(requests, where, [WINDOW, SOURCE_MODE, INDEX_MODE, FROZEN, THROTTLED], signal),
  ]);
  const affected = new Map<string, string[]>();
  for (const name of where.indices) {
    const mapping = mappings.get(name)?.[0] ?? {};
    const set = settings.get(name) ?? {};
    const mode = sourceMode(mapping, set);
    refuseWithoutSource(name, mapping, mode);
    refuseSmallWindow(name, set);
    refuseFrozen(name, set);
    for (const effect of effects(mapping, mode)) {
      affected.set(effect, [...(affected.get(effect) ?? []), name]);
    }
  }
  return [...affected].map(([effect, names]) => `${listed(names)}: ${effect}`);
}

/**
 * In the order in which Elasticsearch 8.19 decides, tried out: the index's own setting, then the mapping, then the
 * default of its `index.mode`.
 */
function sourceMode({ mode }: FieldMapping, set: IndexSettings): string {
  const synthetic = ['logsdb', 'time_series'].includes(set[INDEX_MODE] ?? '');
  return (set[SOURCE_MODE] ?? mode ?? (synthetic ? 'synthetic' : 'stored')).toLowerCase();
}

/** An index may be told to keep no `_source` at all: then there is nothing to copy. */
function refuseWithoutSource(name: string, { enabled }: FieldMapping, mode: string): void {
  if (String(enabled) !== 'false' && mode !== 'disabled') return;
  throw usage(`${name} keeps no _source: there are no documents to copy`, 'Leave this index out.');
}

/** Pages of 10,000 are asked for, the default of `index.max_result_window`; a lower one refuses them. */
function refuseSmallWindow(name: string, set: IndexSettings): void {
  const window = Number(set[WINDOW] ?? MAX_HITS);
  if (window >= MAX_HITS) return;
  throw usage(
    `${name} answers at most ${window} hits at once (index.max_result_window), ${MAX_HITS} are needed`,
    'Raise that setting; it can be changed while the index is in use.',
  );
}

/** A search passes over frozen indices without a word, even where it names them: what they hold would count as not there. */
function refuseFrozen(name: string, set: IndexSettings): void {
  if (set[FROZEN] !== 'true' && set[THROTTLED] !== 'true') return;
  throw usage(
    `${name} is frozen, and searches pass over it`,
    `Unfreeze it (POST /${name}/_unfreeze), or leave this index out.`,
  );
}

/** What Elasticsearch does to documents of an index, in the user's words; nothing for most. */
function effects({ includes = [], excludes = [] }: FieldMapping, mode: string): string[] {
  // Measured: 1.10 comes back as 1.1, ["b","a"] as ["a","b"], keys sorted, empty objects left out.
  const rebuilt =
    'Elasticsearch does not keep _source as it was sent, it rebuilds it from its index (synthetic _source): numbers, dates and the order of keys and values may differ from the original; what Elasticsearch gives is copied';
  const rules = [
    ...(includes.length > 0 ? [`includes ${includes.join(', ')}`] : []),
    ...(excludes.length > 0 ? [`excludes ${excludes.join(', ')}`] : []),
  ];
  const trimmed = `Elasticsearch has kept only a part of _source (its mapping ${rules.join(' and ')}): what was left out is not copied`;
  return [...(mode === 'synthetic' ? [rebuilt] : []), ...(rules.length > 0 ? [trimmed] : [])];
}
