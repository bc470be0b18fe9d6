import { batchesAfter, firstGrowing, messagesFrom } from '../tracking/verify-batches.js';
import { ALL_JOBS } from '../tracking/scope.js';
import { idsOfKeys, longNamed, rememberKeys } from '../tracking/verify-messages.js';
import { hashOfSilent, keyOf, type VerifyContext } from './context.js';

/** Batches whose long names are read at once: 10,000 rows each at the very most. */
const BATCHES_AT_ONCE = 20;

/**
 * Keeps, for the messages of these batches whose key is a hash, which key that is: no index of the tracking tables leads
 * from a hash to its message, and these are few.
 */
export async function rememberSilentKeys(
  { on, keys, marks, verification }: VerifyContext,
  batchIds: readonly number[],
): Promise<void> {
  if (verification.options.level === 'counts') return;
  for (let first = 0; first < batchIds.length; first += BATCHES_AT_ONCE) {
    const some = batchIds.slice(first, first + BATCHES_AT_ONCE);
    const found = [];
    for (const message of await longNamed(on.database, some, marks)) {
      const sha256 = hashOfSilent(keyOf(message, keys));
      if (sha256) found.push({ sha256, id: message.id });
    }
    await rememberKeys(on.database, verification.verifyId, found);
  }
}

/**
 * The ids of messages whose keys are hashes. Where one is not known, batches that were not looked at are looked through
 * first: of jobs that are not verified, and those an extraction beside us filled since. Not again as long as they are the
 * same: keys of others may look like ours in any number.
 */
export async function idsOfSilentKeys(
  context: VerifyContext,
  hashes: readonly Buffer[],
): Promise<Buffer[]> {
  const { on, verification } = context;
  const known = await idsOfKeys(on.database, verification.verifyId, hashes);
  if (known.length >= hashes.length) return known;
  await rememberOtherKeys(context);
  return idsOfKeys(on.database, verification.verifyId, hashes);
}

async function rememberOtherKeys(context: VerifyContext): Promise<void> {
  const { on, scope, verification } = context;
  const isPartial = scope.kind === 'only' || scope.jobs.length > 0;
  const { notes } = verification;
  const isFirst = notes['otherKeys'] === undefined;
  const from = isPartial && isFirst ? 1 : (notes['keysFrom'] ?? 1);
  if (!isFirst && notes['keysAmong'] === (await messagesFrom(on.database, from))) return;
  const keysFrom = await firstGrowing(on.database);
  const keysAmong = await messagesFrom(on.database, keysFrom);
  for (let after = from - 1; ;) {
    const batches = await batchesAfter(on.database, ALL_JOBS, after, 1000);
    const last = batches.at(-1);
    if (!last) break;
    await rememberSilentKeys(
      context,
      batches.map(({ batchId }) => batchId),
    );
    after = last.batchId;
  }
  notes['otherKeys'] = 1;
  notes['keysFrom'] = keysFrom;
  notes['keysAmong'] = keysAmong;
}
