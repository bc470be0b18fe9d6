import { hashedNameOfKey, idOfKey, parseBatchKey, type BatchName } from '../objects/keys.js';
import {
  batchesByNumber,
  newestBatch,
  numbersWithRows,
  type BatchRecord,
  type WrittenRecord,
} from '../tracking/verify-batches.js';
import { messagesById, type MessageRecord } from '../tracking/verify-messages.js';
import { hashOfSilent, keyOf, type VerifyContext } from './context.js';
import { idsOfSilentKeys } from './silent-keys.js';

/** Whose object a key is, as the tracking tables have it now. */
export type Owner =
  | { readonly kind: 'message'; readonly message: MessageRecord }
  | { readonly kind: 'batch'; readonly name: BatchName; readonly batch: BatchRecord }
  /** A batch that is no more; its number was given once. With rows that name it, it was not us who removed it. */
  | { readonly kind: 'removed-batch'; readonly name: BatchName; readonly hasRows: boolean }
  /** Made in no way that es-migrate makes keys, or for what it does not know. */
  | { readonly kind: 'nobody' };

const NOBODY: Owner = { kind: 'nobody' };

/**
 * Looks keys up, some thousand at once, by primary keys. Every object of ours has had its row since before it was written,
 * so a key without one is not ours.
 */
export async function ownersOf(
  context: VerifyContext,
  keys: readonly string[],
): Promise<Map<string, Owner>> {
  const owners = new Map<string, Owner>();
  const messages = await messagesOf(context, keys);
  const names = new Map<string, BatchName>();
  for (const key of keys) {
    const message = messages.get(key);
    const name = parseBatchKey(key);
    if (message) owners.set(key, { kind: 'message', message });
    else if (name) names.set(key, name);
  }
  if (names.size > 0) {
    const { database } = context.on;
    const numbers = [...new Set([...names.values()].map(({ batchId }) => batchId))];
    const batches = await batchesByNumber(database, numbers);
    const gone = numbers.filter((number) => !batches.has(number));
    const newest = gone.length > 0 ? await newestBatch(database) : 0;
    const named = await numbersWithRows(database, gone);
    for (const [key, name] of names) {
      const batch = batches.get(name.batchId);
      const hasRows = named.has(name.batchId);
      owners.set(key, batch ? ownerByName(name, batch) : formerOwner(name, newest, hasRows));
    }
  }
  for (const key of keys) if (!owners.has(key)) owners.set(key, NOBODY);
  return owners;
}

/** A number that was never given is somebody else's; also where MySQL was put back in time. */
function formerOwner(name: BatchName, newest: number, hasRows: boolean): Owner {
  return name.batchId <= newest ? { kind: 'removed-batch', name, hasRows } : NOBODY;
}

/** So is a claim that was never made. */
function ownerByName(name: BatchName, batch: BatchRecord): Owner {
  const isOurs = batch.jobId === name.jobId && name.claim >= 1 && name.claim <= batch.claims;
  return isOurs ? { kind: 'batch', name, batch } : NOBODY;
}

/** The messages whose own objects these keys are. */
async function messagesOf(
  context: VerifyContext,
  keys: readonly string[],
): Promise<Map<string, MessageRecord>> {
  const ids: Uint8Array[] = [];
  const hashes: Buffer[] = [];
  for (const key of keys) {
    const id = idOfKey(key)?.id;
    if (id) ids.push(id);
    else if (hashedNameOfKey(key)) {
      const hash = hashOfSilent(key);
      if (hash) hashes.push(hash);
    }
  }
  if (hashes.length > 0) ids.push(...(await idsOfSilentKeys(context, hashes)));
  const rows = await messagesById(context.on.database, ids);
  return new Map(
    rows.flatMap((row) => keysOf(row, context.keys).map((key) => [key, row] as const)),
  );
}

/** A message's key; where its job is not known, both that it may be. */
function keysOf(row: MessageRecord, keys: VerifyContext['keys']): string[] {
  return row.hasJob
    ? [keyOf(row, keys)]
    : [
        keyOf({ ...row, plainKeyIndex: row.index }, keys),
        keyOf({ ...row, plainKeyIndex: undefined }, keys),
      ];
}

/** What was recorded of the object a batch's key names; undefined where it is not the batch's object. */
export function recordOf(
  { claim, kind }: BatchName,
  batch: BatchRecord,
): WrittenRecord | undefined {
  if (claim !== batch.claims || (batch.status !== 'completed' && batch.status !== 'failed'))
    return undefined;
  if (kind === 'former-index') return undefined;
  return kind === 'object' ? batch.object : batch.index;
}

/** Whether it is the index of the object that counts, where an earlier version wrote it. */
export function isFormerIndex({ name, batch }: Extract<Owner, { kind: 'batch' }>): boolean {
  return name.kind === 'former-index' && name.claim === batch.claims && batch.index !== undefined;
}

/**
 * Why an object of ours is pointed at by no row and never will be; undefined where it is not so, or may still be.
 *
 * A batch is judged only when it has ended: its worker may yet complete it, also under a lease that has run out, and until it
 * was written again an older object may be the last copy of what the source has dropped. A message's own object is never
 * judged by its state: the next attempt writes to the same key.
 */
export function whyOrphaned(owner: Owner): string | undefined {
  if (owner.kind === 'removed-batch')
    return owner.hasRows ? undefined : `batch ${owner.name.batchId} is no more`;
  if (owner.kind !== 'batch') return undefined;
  const { name, batch } = owner;
  const hasEnded = batch.status === 'completed' || batch.status === 'failed';
  if (!hasEnded || recordOf(name, batch)) return undefined;
  if (isFormerIndex(owner))
    return `an earlier version wrote the index of batch ${batch.batchId} beside its object; verify --repair moves it to _index/`;
  const why =
    name.claim < batch.claims
      ? `left by claim ${name.claim} of batch ${batch.batchId}, which was claimed ${batch.claims} times`
      : `batch ${batch.batchId} was completed without it`;
  return batch.status === 'failed'
    ? `${why}; kept, since it may hold the last copy of a message that failed`
    : why;
}
