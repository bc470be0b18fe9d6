import { createHash } from 'node:crypto';
import type { Connections } from '../connect.js';
import { idOfKey, messageKey, type KeyStyle } from '../objects/keys.js';
import type { Joins } from '../joins.js';
import type { Run } from '../run.js';
import type { JobSet } from '../tracking/scope.js';
import type { MessageRecord } from '../tracking/verify-messages.js';
import type { RowMarks } from '../tracking/verify-batches.js';
import type { Verification } from './verification.js';

/** What all stages share. */
export interface VerifyContext {
  readonly run: Run;
  readonly on: Connections;
  readonly scope: JobSet;
  readonly verification: Verification;
  /** Aborted when the run is to stop, or the verification's lease is lost. */
  readonly signal: AbortSignal;
  readonly keys: KeyStyle;
  /** The joins of related records that are configured. */
  readonly joins: Joins;
  readonly marks: RowMarks;
  /** Tells how far it is: messages of this stage, or of the part of it that was just done. */
  readonly progress: (messages: number) => void;
}

/** The longest id, in bytes, that stands in its key whatever its bytes are: three characters each, and `.json`, make 200. */
export const LONGEST_PLAIN_ID = 65;
/** The same for an index. */
export const LONGEST_PLAIN_INDEX = 66;

/** The key of a message's own object. */
export function keyOf(
  { id, index, plainKeyIndex }: Pick<MessageRecord, 'id' | 'index' | 'plainKeyIndex'>,
  keys: KeyStyle,
): string {
  return messageKey({ id, index: plainKeyIndex === index ? undefined : index }, keys);
}

/** What a key that does not tell its message is looked up by; undefined where it tells. */
export function hashOfSilent(key: string): Buffer | undefined {
  return idOfKey(key) ? undefined : createHash('sha256').update(key).digest();
}
