import type { VerifyLevel } from '../core/verify/types.js';

export const VERIFY_LEVELS = ['counts', 'objects', 'content'] as const;

/** Flags of the commands that verify. */
export interface VerifyFlags {
  readonly level: VerifyLevel;
  /** Above 0 to 1. */
  readonly sample?: number;
  /** As given. */
  readonly combined?: string;
}

/** Those of `verify` alone. */
export interface VerifyOnlyFlags extends VerifyFlags {
  readonly job?: number;
  readonly repair?: boolean;
  readonly restart?: boolean;
}
