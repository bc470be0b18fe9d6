import type { Connections } from '../connect.js';
import { batchIndexUrl } from '../objects/keys.js';
import type { ByteRange } from '../objects/target.js';
import { UnreadableIndex } from '../process/batch-index.js';
import { retrying } from '../retry.js';
import type { Run } from '../run.js';
import { findMessages } from '../tracking/lookup.js';
import { batchLine, isBatchUrl, rangeOf, type BatchPlace } from './batch-line.js';
import { checked, DamagedObject } from './damage.js';
import { readAhead } from './read-ahead.js';

export interface Wanted {
  readonly messageId: string;
  readonly index?: string | undefined;
  /** Also where its row says that it lies outside the target. */
  readonly anywhere?: boolean;
}

export type FoundDocument =
  | {
      readonly kind: 'found';
      /** Throws a DamagedObject instead of ending where the document is large and its end shows the damage. */
      readonly bytes: AsyncIterable<Uint8Array>;
      readonly url: string;
    }
  /** No message of this id (and index) is tracked. */
  | {
      readonly kind: 'unknown';
      /** The indices in which a message of this id is tracked, though not in the one that was asked for. */
      readonly elsewhere: readonly string[];
    }
  /** The id occurs in several indices. */
  | { readonly kind: 'ambiguous'; readonly indices: readonly string[] }
  | { readonly kind: 'not-completed'; readonly status: string; readonly code?: string }
  /** The object is not where the row says. */
  | { readonly kind: 'gone'; readonly url: string }
  /** The object is not what was stored. */
  | { readonly kind: 'damaged'; readonly url: string; readonly reason: string };

/** Documents of up to this many bytes are checked before any of them is given. */
const CHECKED_FIRST = 8 << 20;

/**
 * One migrated document, byte for byte, as its row says where it lies under the target. Of a batch's object only those members are read in which it
 * lies, or, without the batch's index, all. Documents of any size take a few megabytes of memory.
 *
 * @throws MigrateError `usage` where it lies outside the target, unless `anywhere`
 */
export async function getDocument(
  run: Run,
  on: Connections,
  { messageId, index, anywhere = false }: Wanted,
): Promise<FoundDocument> {
  const all = await findMessages(on.database, messageId);
  const tracked = all.filter((row) => index === undefined || row.index === index);
  const [message, another] = tracked;
  if (!message) return { kind: 'unknown', elsewhere: all.map((row) => row.index) };
  if (another) return { kind: 'ambiguous', indices: tracked.map((row) => row.index) };
  const { status, errorCode, url, sha256 } = message;
  if (status !== 'completed' || url === undefined) {
    return { kind: 'not-completed', status, ...(errorCode !== undefined && { code: errorCode }) };
  }
  const place = { url, sha256, messageId, index: message.index, anywhere };
  try {
    const bytes = await (isBatchUrl(url) ? fromBatch(run, on, place) : fromObject(run, on, place));
    return bytes ? { kind: 'found', bytes, url } : { kind: 'gone', url };
  } catch (error) {
    if (error instanceof DamagedObject) return { kind: 'damaged', url, reason: error.message };
    throw error;
  }
}

type Bytes = AsyncIterable<Uint8Array>;

function fromObject(run: Run, on: Connections, place: BatchPlace) {
  return opened(run, on, place, undefined, (object) => checked(object, place.sha256));
}

async function fromBatch(run: Run, on: Connections, place: BatchPlace): Promise<Bytes | undefined> {
  const { sha256 } = place;
  const range = await memberOf(run, on, place);
  return opened(run, on, place, range, (object) =>
    batchLine(range ? object : checked(object, sha256), place),
  );
}

/** Where in the object to look; undefined: everywhere. */
async function memberOf(
  run: Run,
  { target, policy }: Connections,
  place: BatchPlace,
): Promise<ByteRange | undefined> {
  try {
    return await retrying(policy, () => rangeOf(target, place, run.stop), { signal: run.stop });
  } catch (error) {
    if (!(error instanceof UnreadableIndex)) throw error;
    const message = `the index ${batchIndexUrl(place.url) ?? `of ${place.url}`} is of no use (${error.message}): all of the batch's object is read`;
    run.report({ type: 'log', level: 'warn', message });
    return undefined;
  }
}

/** Opens an object and reads its beginning, retried together; undefined where there is none. */
function opened(
  run: Run,
  { target, policy }: Connections,
  { url, anywhere }: BatchPlace,
  range: ByteRange | undefined,
  read: (object: Bytes) => Bytes,
): Promise<Bytes | undefined> {
  const attempt = async () => {
    const object = await target.get(url, run.stop, range, { anywhere });
    return object && readAhead(read(object), CHECKED_FIRST);
  };
  return retrying(policy, attempt, { signal: run.stop });
}
