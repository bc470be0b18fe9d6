import type { Connections } from '../connect.js';
import { batchIndexKey, batchKey, formerIndexKey } from '../objects/keys.js';
import type { Target } from '../objects/target.js';
import { retrying } from '../retry.js';
import type { Run } from '../run.js';
import { reached } from '../steps.js';
import type { ClaimedBatch } from '../tracking/claims.js';
import type { MessageOutcome } from '../tracking/outcomes.js';
import { collectIndex, readBatchIndex, UnreadableIndex } from './batch-index.js';
import { idOf } from './fetch.js';

/**
 * Layout `batch`: removes what earlier claims of a batch had uploaded before they died, now that all of it lies in an object
 * of this claim. Before the batch is completed, so that whoever is killed in between leaves it to the next claim: no object
 * stays behind that no row points at.
 *
 * An earlier object goes only if its own index names no document but those uploaded just now, and it is the one the index is
 * of: whatever happened to the batch's rows since, it may be the only copy of any other. It is housekeeping: where objects
 * may not be removed that is told, `verify` finds them, and the batch is completed.
 */
export async function removePredecessors(
  run: Run,
  { target, policy }: Pick<Connections, 'target' | 'policy'>,
  { jobId, batchId, claim }: Pick<ClaimedBatch, 'jobId' | 'batchId' | 'claim'>,
  outcomes: readonly MessageOutcome[],
  signal: AbortSignal,
): Promise<void> {
  if (target.layout !== 'batch' || claim === 1) return;
  const uploaded = new Set(
    outcomes.flatMap(({ kind, message }) =>
      kind === 'completed' ? nameOf(message.index, idOf(message)) : [],
    ),
  );
  try {
    for (let earlier = 1; earlier < claim; earlier += 1) {
      const object = batchKey(jobId, batchId, earlier);
      // The second: where an earlier version put it.
      for (const indexKey of [batchIndexKey, formerIndexKey]) {
        const index = indexKey(jobId, batchId, earlier);
        const isHeld = () => holdsOnly(target, { object, index }, uploaded, signal);
        if (!(await retrying(policy, isHeld, { signal }))) continue;
        // The index last: without it nobody could tell again what the object holds.
        for (const key of [object, index])
          await retrying(policy, () => target.delete([key], signal), { signal });
        reached('predecessor-removed');
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = `what earlier claims of batch ${batchId} left is not removed: ${(error as Error).message}`;
    run.report({ type: 'log', level: 'warn', message });
  }
}

/** Whether there is such an index, it names none but these documents, and the object is its own, or was never uploaded. */
async function holdsOnly(
  target: Target,
  keys: { readonly object: string; readonly index: string },
  uploaded: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<boolean> {
  const stored = await target.get(target.urlOf(keys.index), signal);
  if (!stored) return false;
  try {
    const { documents, bytes, sha256 } = await readBatchIndex(await collectIndex(stored));
    if (!documents.every(({ index, message_id }) => uploaded.has(nameOf(index, message_id))))
      return false;
    const object = await target.stat(target.urlOf(keys.object), signal);
    if (!object) return true;
    const isOther = object.sha256 && Buffer.from(object.sha256).toString('hex') !== sha256;
    return object.bytes === bytes && !isOther;
  } catch (error) {
    if (error instanceof UnreadableIndex) return false;
    throw error;
  }
}

/** No index's name contains a slash. */
function nameOf(index: string, id: string): string {
  return `${index}/${id}`;
}
