import { resolveBound } from '../core/extract/range.js';
import type { ExtractOptions } from '../core/extract/types.js';
import { isMigrateError, usage } from '../core/errors.js';
import type { Settings } from '../core/settings.js';

/** Flags of the commands that extract. */
export interface RangeFlags {
  readonly from?: string;
  readonly to?: string;
  readonly timezone: string;
  readonly filter?: string;
  readonly batchSize?: string;
  readonly slices: number;
  readonly dryRun?: boolean;
  readonly allowReplacedIndex?: boolean;
}

/** @throws MigrateError `usage` where an end of the range can't be read, or it ends before it begins */
export function extractOptions(flags: RangeFlags, { startDate }: Settings): ExtractOptions {
  const { timezone, slices, dryRun = false, allowReplacedIndex = false } = flags;
  const from = bound('--from', flags.from, timezone, 'from');
  const to = bound('--to', flags.to, timezone, 'to');
  if (from !== undefined && to !== undefined && from > to) {
    throw usage(`--from ${flags.from ?? ''} is after --to ${flags.to ?? ''}`);
  }
  return {
    from,
    to,
    startDate: bound('startDate', startDate, timezone, 'from'),
    slices,
    dryRun,
    allowReplaced: allowReplacedIndex,
  };
}

function bound(
  name: string,
  text: string | undefined,
  timezone: string,
  edge: 'from' | 'to',
): number | undefined {
  if (text === undefined) return undefined;
  try {
    return resolveBound(text, { timezone, edge });
  } catch (error) {
    if (isMigrateError(error)) throw usage(`${name}: ${error.message}`, error.advice, error);
    throw error;
  }
}
