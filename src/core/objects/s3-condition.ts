/**
 * Nothing in a bucket is replaced unseen. A process may be paused for hours in the middle of a PUT, its lease long gone; its
 * object must then not replace what its successor put there. So every PUT carries a condition, which S3 checks when the
 * body is complete (versitygw 1.8, too: once before the body, and again behind it).
 */
import { Fault } from '../fault.js';
import type { ObjectStat } from './target.js';

/** What has to be true of the key for a request to write it; empty: nothing. */
export interface Condition {
  readonly IfNoneMatch?: '*';
  /** An ETag, in quotes. */
  readonly IfMatch?: string;
}

/** One object on its way to a bucket. */
export interface Putting {
  /** For messages. */
  readonly url: string;
  /**
   * Look what stands there before the first request: where that one would be large, or where the server doesn't check
   * conditions. Else an object that is new costs one request.
   */
  readonly lookFirst: boolean;
  look(): Promise<ObjectStat | undefined>;
  /** Whether these are the bytes to be put. */
  isSame(found: ObjectStat): Promise<boolean>;
  /** Undefined where the condition wasn't met, or may not have been. */
  write(condition: Condition): Promise<Written | undefined>;
}

export interface Written {
  readonly etag: string | undefined;
}

/** So often is looked again when others write the same key at the same time. */
const mostRounds = 5;

/**
 * Puts an object where there is none, leaves it where it is there already, and replaces another after `beforeReplacing`,
 * if that one hasn't changed since it was looked at.
 *
 * @throws Fault `retriable` where the key keeps changing; what `beforeReplacing` throws, with nothing replaced
 */
export async function putConditionally(
  putting: Putting,
  beforeReplacing: (() => Promise<void>) | undefined,
): Promise<Written> {
  let looked = putting.lookFirst;
  let contradictions = 0;
  for (let round = 0; round < mostRounds; round += 1) {
    let condition: Condition = { IfNoneMatch: '*' };
    let found: ObjectStat | undefined;
    if (looked) {
      found = await putting.look();
      if (found && (await putting.isSame(found))) return found;
      if (found) {
        await beforeReplacing?.();
        condition = found.etag === undefined ? {} : { IfMatch: `"${found.etag}"` };
      }
    }
    const written = await putting.write(condition);
    if (written) return written;
    if (looked && !found) contradictions += 1;
    looked = true;
  }
  if (contradictions >= mostRounds - 1) {
    // Nothing to be seen, yet nothing may be put there: the server keeps a record of an object that was taken from under
    // it (versitygw 1.8, of a file that was removed). Nothing there can be lost.
    await beforeReplacing?.();
    const written = await putting.write({});
    if (written) return written;
  }
  throw new Fault(
    'S3',
    'retriable',
    'PreconditionFailed',
    `PUT ${putting.url}: what stands there changed each of the ${mostRounds} times it was looked at`,
  );
}
