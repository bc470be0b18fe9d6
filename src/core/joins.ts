import { createHash } from 'node:crypto';
import type { SourceSettings } from './settings.js';

/** How a configuration joins messages with related records, as far as the tracking database has to tell one from another. */
export interface Joins {
  /** SHA-256 of what makes the same messages other documents: names, indices, fields and order, in their order. */
  readonly hash: Buffer;
  /** Whether an earlier version, which knew nothing but keys that hold the message's `_id`, may have meant the same. */
  readonly isByIdAlone: boolean;
  /** Names of the document's arrays, in their order. */
  readonly names: readonly string[];
}

export function joinsOf({ related }: Pick<SourceSettings, 'related'>): Joins {
  const parts = related.map(({ name, index, join, sort }) => [
    name,
    typeof index === 'string' ? index : index.map((pair) => [pair.messages, pair.related]),
    join.map(({ key, on }) => [key, on]),
    sort ?? null,
  ]);
  return {
    hash: createHash('sha256').update(JSON.stringify(parts)).digest(),
    isByIdAlone: related.every(
      ({ index, join }) => typeof index === 'string' && join.length === 1 && join[0]?.on === '_id',
    ),
    names: related.map(({ name }) => name),
  };
}

/**
 * Whether what was made under this hash was made with other joins. Where none is known, an earlier version made it: then it was,
 * unless that could mean the same.
 */
export function areOthers({ hash, isByIdAlone }: Joins, made: Buffer | undefined): boolean {
  return made === undefined ? !isByIdAlone : !made.equals(hash);
}
