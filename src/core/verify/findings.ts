import { FINDING_KINDS, type FindingKind } from './types.js';

/** How many were found of each kind. */
export type FindingCounts = Record<FindingKind, number>;

export function noFindings(): FindingCounts {
  return Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as FindingCounts;
}

/** All kinds together. */
export function countFindings(found: Readonly<FindingCounts>): number {
  return Object.values(found).reduce((sum, count) => sum + count, 0);
}
