/** Of messages of a batch that was given up, since no try of it came to its end. */
export const POISONED = 'poisoned';

/**
 * Why a message failed. Permanent ones fail again however often they are tried, so only `retry --error CODE` or
 * `--force` puts them back (contract, "Objects").
 */
export const PERMANENT_CODES = [
  'missing',
  'too_large',
  'ambiguous_id',
  'unindexed_key',
  POISONED,
] as const;
export const RETRIABLE_CODES = ['upload_failed', 'source_refused', 'no_source'] as const;

export type FailureCode = (typeof PERMANENT_CODES)[number] | (typeof RETRIABLE_CODES)[number];

export function isPermanent(code: string): boolean {
  return (PERMANENT_CODES as readonly string[]).includes(code);
}
