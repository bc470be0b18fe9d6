import type { ClaimedBatch } from '../tracking/claims.js';
import type { ProcessOutcome } from './types.js';

/** What became of a batch that a source gave; but for `carried` and `lost` it was given back. */
export type Settled =
  /** Its rows are completed, or failed with their reasons. */
  | { readonly kind: 'carried' }
  /** Its lease went to somebody else, who answers for it now. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'threw'; readonly error: unknown };

/** Where batches come from. */
export interface BatchSource {
  /** The next batch, claimed; undefined when this run is to claim no more. */
  take(): Promise<ClaimedBatch | undefined>;
  /**
   * Told once for each batch it gave, behind whatever was done to its rows.
   *
   * @throws what was thrown, where that ends the run
   */
  settle(batch: ClaimedBatch, how: Settled): Promise<void>;
  /** Why there is no more work, once there is none. */
  readonly ended: ProcessOutcome['ended'];
  close(): Promise<void>;
}
