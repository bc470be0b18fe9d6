import type { Content } from '../objects/target.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import type { BatchObject, MessageOutcome, RecordCount } from '../tracking/outcomes.js';

/** A document to be written: in memory, or staged because it is large. */
export type Document =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'staged'; readonly content: Content };

/**
 * Puts a batch's documents where the layout wants them.
 *
 * What no retry can help for one object makes its messages `upload_failed`; what concerns the whole target is thrown, and
 * the batch is then released.
 */
export interface BatchWriter {
  /**
   * Takes a document, one at a time: await it before the next.
   *
   * @param revision of the documents it was made of (see Revision); undefined where Elasticsearch gave none
   * @param counts how many records it has of each related index; undefined where they were not counted
   */
  add(
    message: ClaimedMessage,
    document: Document,
    revision: number | undefined,
    counts?: readonly RecordCount[],
  ): Promise<void>;
  /**
   * Resolves when the memory or staged files of the documents taken so far are no longer needed. May be called while another
   * call waits, and documents may be added meanwhile.
   */
  flush(): Promise<void>;
  /** Ends the batch: every document taken is durable, or its message is among the failed. */
  finish(): Promise<{ outcomes: readonly MessageOutcome[]; object?: BatchObject }>;
  /** Lets go of everything, at any point. */
  discard(): Promise<void>;
}
