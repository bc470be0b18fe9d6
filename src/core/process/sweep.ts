import { anySignal } from '../any-signal.js';
import type { Connections } from '../connect.js';
import { hashedNameOfKey, idOfKey, parseBatchKey } from '../objects/keys.js';
import type { Run } from '../run.js';
import { isUploadAbandoned, type UploadPurpose } from '../tracking/uploads.js';

/** How long a sweep may take, in milliseconds; what it doesn't come to is left to the next. */
const LONGEST_MS = 30_000;

/**
 * Removes the parts of large uploads that a process which was killed left behind: invisible in listings of objects, paid
 * for all the same. Uploads whose batch is claimed under a live lease are left alone, as are those of which the tracking
 * tables know nothing: they are not ours. A sweep is housekeeping: whatever goes wrong in it is told at level `debug`, and the run goes on.
 */
export async function sweepUploads(
  run: Run,
  { target, database }: Pick<Connections, 'target' | 'database'>,
): Promise<void> {
  const signal = anySignal(run.stop, AbortSignal.timeout(LONGEST_MS));
  let removed = 0;
  try {
    // Undefined where we may not ask.
    for (const upload of (await target.unfinished(signal)) ?? []) {
      const purpose = purposeOf(upload.key);
      if (purpose === undefined || !(await isUploadAbandoned(database, purpose))) continue;
      await target.abandon(upload, signal);
      removed += 1;
    }
  } catch (error) {
    const message = `unfinished uploads are left for later: ${(error as Error).message}`;
    run.report({ type: 'log', level: 'debug', message });
  }
  if (removed > 0) {
    const message = `removed ${removed} unfinished uploads that an earlier process left behind`;
    run.report({ type: 'log', level: 'info', message });
  }
}

/** Undefined for keys that none of our uploads has. */
function purposeOf(key: string): UploadPurpose | undefined {
  const batch = parseBatchKey(key);
  if (batch) return batch;
  const message = idOfKey(key);
  if (message) return { messageId: message.id };
  const hashed = hashedNameOfKey(key)?.id;
  if (!hashed) return undefined;
  return 'name' in hashed ? { messageId: hashed.name } : { messageSha256: hashed.sha256 };
}
