import { z } from 'zod';
import { usage } from '../errors.js';
import { isFault } from '../fault.js';
import { INDEX_CLOSED, INDEX_MISSING } from './faults.js';
import { byName } from './json-answer.js';
import { indexPath } from './query.js';
import type { Requests } from './requests.js';

const names = z.array(z.string());
const fieldType = z.object({
  type: z.string(),
  searchable: z.boolean(),
  aggregatable: z.boolean(),
  metadata_field: z.boolean().optional(),
  /** The indices in which the field has this type, where it has several. */
  indices: names.nullish().transform((value) => value ?? undefined),
});
/** What Elasticsearch says can be done with fields, over all indices a name, alias or pattern stands for. */
export const fieldCapsAnswer = z.object({
  /** Concrete index names. */
  indices: names,
  /** By field, then by type; an `unmapped` type names the indices that lack the field. */
  fields: byName(byName(fieldType)),
});

export type FieldCaps = z.infer<typeof fieldCapsAnswer>;
export type FieldType = z.infer<typeof fieldType>;

/**
 * Asks what can be done with these fields.
 *
 * @param setting the setting that named the index, for the user
 * @throws MigrateError `usage` where the index does not exist or can't be read
 */
export async function fieldCaps(
  requests: Requests,
  index: string,
  fields: readonly string[],
  setting: string,
  signal: AbortSignal,
): Promise<FieldCaps>;
/** The same; undefined where the index does not exist and need not. */
export async function fieldCaps(
  requests: Requests,
  index: string,
  fields: readonly string[],
  setting: string,
  signal: AbortSignal,
  mayBeAbsent: boolean,
): Promise<FieldCaps | undefined>;
export async function fieldCaps(
  requests: Requests,
  index: string,
  fields: readonly string[],
  setting: string,
  signal: AbortSignal,
  mayBeAbsent = false,
): Promise<FieldCaps | undefined> {
  let caps: FieldCaps;
  try {
    caps = await requests.json(
      {
        method: 'GET',
        path: `/${indexPath(index)}/_field_caps`,
        query: {
          fields: fields.join(','),
          include_unmapped: true,
          allow_no_indices: false,
          // Or a pattern would pass over closed indices without a word, and their documents with them.
          expand_wildcards: 'open,closed',
        },
        signal,
      },
      fieldCapsAnswer,
    );
  } catch (error) {
    if (isFault(error) && error.code === INDEX_MISSING) {
      if (mayBeAbsent) return undefined;
      throw noIndex(index.includes(',') ? missingOf(error.message, index) : index, setting);
    }
    if (isFault(error) && error.code === INDEX_CLOSED) {
      throw usage(
        `an index that ${index} stands for is closed, and can't be read (${error.message})`,
        `Open it, or narrow ${setting}.`,
        error,
      );
    }
    if (isFault(error))
      throw usage(`${index} can't be read: ${error.message}`, `Correct ${setting}.`, error);
    throw error;
  }
  if (caps.indices.length === 0) throw noIndex(index, setting);
  return caps;
}

/** The types a field has; several where indices differ, none where no index has it. */
export function typesOf(caps: FieldCaps, field: string): FieldType[] {
  return Object.values(caps.fields[field] ?? {});
}

/**
 * A field inside a `nested` object is found by nested queries alone: a plain one would silently find nothing.
 *
 * @throws MigrateError `usage` for such a field
 */
export function refuseNested(
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

/** Of several names, the one that Elasticsearch says it does not have. */
function missingOf(message: string, names: string): string {
  return /\[([^\]]+)\]/.exec(message)?.[1] ?? names;
}

function noIndex(index: string, setting: string): Error {
  return usage(
    `there is no index ${index}`,
    `Correct ${setting}; patterns like messages-* work, too.`,
  );
}
