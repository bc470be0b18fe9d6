import { FINDING_KINDS, type FindingCounts } from './types.js';

export function noFindings(): FindingCounts {
  return Object.fromEntries(FINDING_KINDS.map((kind) => [kind, 0])) as FindingCounts;
}

/** All kinds together. */
export function countFindings(found: Readonly<FindingCounts>): number {
  return Object.values(found).reduce((sum, count) => sum + count, 0);
}
