import { bytesContent } from '../objects/content.js';
import { batchIndexKey } from '../objects/keys.js';
import { collectIndex, UnreadableIndex } from '../process/batch-index.js';
import { retrying } from '../retry.js';
import { reached } from '../steps.js';
import type { WrittenRecord } from '../tracking/verify-batches.js';
import type { StoredFinding } from '../tracking/verify-findings.js';
import type { VerifyContext } from './context.js';
import { isFormerIndex, ownersOf } from './owners.js';

/**
 * Moves indices of batches' objects that an earlier version wrote beside the objects to where they are looked for. Only those
 * whose bytes are the recorded ones; the others are orphans. Each is written at its new place before it is removed from the
 * old one, so that a process that is cut off begins again.
 *
 * @param pages findings of kind `orphaned`
 * @returns the keys they had
 */
export async function moveFormerIndices(
  context: VerifyContext,
  pages: AsyncIterable<readonly StoredFinding[]>,
): Promise<ReadonlySet<string>> {
  const { on, signal } = context;
  const moved = new Set<string>();
  for await (const page of pages) {
    const owners = await ownersOf(
      context,
      page.flatMap(({ key }) => key ?? []),
    );
    for (const [key, owner] of owners) {
      if (owner.kind !== 'batch' || !isFormerIndex(owner) || !owner.batch.index) continue;
      const { jobId, batchId, claim } = owner.name;
      const to = batchIndexKey(jobId, batchId, claim);
      if (!(await copyIndex(context, { from: key, to }, owner.batch.index))) continue;
      await retrying(on.policy, () => on.target.delete([key], signal), { signal });
      reached('repair-applied');
      moved.add(key);
    }
  }
  return moved;
}

/** False where it is not there any more, or is not as it was recorded: then nothing is written. */
async function copyIndex(
  { on, signal }: VerifyContext,
  { from, to }: { readonly from: string; readonly to: string },
  recorded: WrittenRecord,
): Promise<boolean> {
  const { target, policy } = on;
  const read = async () => {
    const stored = await target.get(target.urlOf(from), signal);
    return stored && collectIndex(stored);
  };
  try {
    const bytes = await retrying(policy, read, { signal });
    const content = bytes && bytesContent(bytes);
    if (!content || !recorded.sha256.equals(content.sha256)) return false;
    const put = () => target.put(to, { content, contentType: 'application/gzip' }, signal);
    await retrying(policy, put, { signal });
    return true;
  } catch (error) {
    if (error instanceof UnreadableIndex) return false;
    throw error;
  }
}
