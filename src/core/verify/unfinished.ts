import type { UnfinishedUpload } from '../objects/target.js';
import { retrying } from '../retry.js';
import { heldBatches } from '../tracking/claims.js';
import { isInScope } from '../tracking/scope.js';
import { batchesByNumber } from '../tracking/verify-batches.js';
import type { VerifyContext } from './context.js';
import { ownersOf, type Owner } from './owners.js';
import { OVER } from './verification.js';

/** An upload nobody is going to complete. */
export interface Abandoned {
  readonly upload: UnfinishedUpload;
  /** False where its key is none that es-migrate makes. */
  readonly isOurs: boolean;
}

/** Uploads that were begun and that nobody is going to complete. */
export async function verifyUnfinished(context: VerifyContext): Promise<void> {
  const { verification } = context;
  const unit = verification.unit();
  for (const { upload, isOurs } of await abandonedUploads(context)) {
    const kind = isOurs ? 'unfinished' : 'foreign';
    unit.add({ kind, key: upload.key === '' ? upload.id : upload.key, detail: detailOf(upload) });
  }
  await verification.done(unit, OVER);
}

export function detailOf({ id }: UnfinishedUpload): string {
  return `an upload that was begun and never completed (${id})`;
}

/**
 * The uploads under the prefix whose message or batch is not being processed. Asked for twice: one that was completed
 * while its batch was looked up is no longer there the second time.
 */
export async function abandonedUploads(context: VerifyContext): Promise<Abandoned[]> {
  const { on, run, signal } = context;
  const list = () => retrying(on.policy, () => on.target.unfinished(signal), { signal });
  const uploads = await list();
  if (!uploads) {
    const message = 'the target does not tell which uploads were never completed';
    run.report({ type: 'log', level: 'debug', message });
    return [];
  }
  if (uploads.length === 0) return [];
  const suspects = await withoutHeld(context, uploads);
  if (suspects.length === 0) return [];
  const still = new Set(((await list()) ?? []).map(({ key, id }) => `${id} ${key}`));
  return suspects.filter(({ upload: { key, id } }) => still.has(`${id} ${key}`));
}

async function withoutHeld(
  context: VerifyContext,
  uploads: readonly UnfinishedUpload[],
): Promise<Abandoned[]> {
  const { database } = context.on;
  const owners = await ownersOf(
    context,
    uploads.map(({ key }) => key),
  );
  const numbers = [...owners.values()].flatMap((owner) => batchOf(owner) ?? []);
  const batches = await batchesByNumber(database, [...new Set(numbers)]);
  // Where a store doesn't say what an upload is for, it may be anybody's who holds a batch.
  const isAnyHeld = (await heldBatches(database)).held > 0;
  return uploads.flatMap((upload): Abandoned[] => {
    const owner = owners.get(upload.key);
    if (upload.key === '') return isAnyHeld ? [] : [{ upload, isOurs: true }];
    if (!owner || owner.kind === 'nobody') return [{ upload, isOurs: false }];
    const isHeld = batches.get(batchOf(owner) ?? 0)?.status === 'in_progress';
    return isHeld || !isInScope(context.scope, jobOf(owner)) ? [] : [{ upload, isOurs: true }];
  });
}

function batchOf(owner: Owner): number | undefined {
  if (owner.kind === 'message') return owner.message.batchId;
  return owner.kind === 'batch' ? owner.batch.batchId : undefined;
}

function jobOf(owner: Exclude<Owner, { kind: 'nobody' }>): number {
  return owner.kind === 'message' ? (owner.message.jobId ?? 0) : owner.name.jobId;
}
