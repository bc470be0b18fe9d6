import { ID, type RelatedIndex } from '../elasticsearch/join.js';
import type { Source } from '../elasticsearch/source.js';
import type { RelatedSum } from '../status/types.js';
import { countBatches } from '../tracking/counters.js';
import { sumRelated } from '../tracking/related-counts.js';
import { workingSet, type JobSet } from '../tracking/scope.js';
import { failedMessages } from '../tracking/verify-messages.js';
import type { VerifyContext } from './context.js';
import { RECOUNTED, recordsNow } from './related.js';

/** What a verification says of one related index. */
export interface VerifiedRelated extends RelatedSum {
  /** Completed messages whose records were compared with the source: their number, or at level `content` their bytes. */
  readonly compared: number;
  /** Records that the related index has now. */
  readonly atSource: number;
  /** Of those, records without an indexed value in a key of the join: no search finds them, and they are in no document. */
  readonly withoutKey: number;
  /**
   * Of those, records whose key belongs to no message of any job over the index: all records less those of tracked messages, counted
   * again. Null where that gives no answer: as long as a message waits or was not compared, where a record may belong to several
   * messages (joins by a field, records with several keys, ids of several indices), and beside very many failed messages.
   */
  readonly ofNoMessage: number | null;
}

/** By the name of the array. */
export async function relatedOutcome(
  { on, scope, verification, joins, signal }: VerifyContext,
  completed: number,
): Promise<Readonly<Record<string, VerifiedRelated>>> {
  const { database, settings, source, related } = on;
  const { level, sample } = verification.options;
  const compared =
    level === 'content' && sample === 1
      ? verification.checked
      : (verification.notes[RECOUNTED] ?? 0);
  const own = await sumRelated(database, scope, joins.names, completed);
  const everything = await workingSet(database, settings.source.index, undefined);
  const { messages } = await countBatches(database, everything);
  const all = await sumRelated(database, everything, joins.names, messages.completed);
  const outcome: Record<string, VerifiedRelated> = {};
  const isOver = messages.completed + messages.failed === messages.total;
  const failed = isOver ? await recordsOfFailed({ on, signal }, everything) : undefined;
  for (const [i, { name, pairs, indices }] of related.entries()) {
    let [atSource, withoutKey] = [0, 0];
    for (const index of new Map(indices.map((one) => [one.index, one])).values()) {
      atSource += await source.countAllRecords(index, signal);
      withoutKey += await source.countWithoutKey(index, signal);
    }
    const [sum, total] = [own[name], all[name]];
    if (!sum || !total) continue;
    const isWhole =
      failed !== undefined &&
      compared === messages.completed &&
      (await areOwnedOnce(source, indices, pairs !== undefined || on.indices.length === 1, signal));
    const rest = atSource - total.records - (failed?.[i] ?? 0);
    const ofNoMessage = isWhole && rest >= 0 ? rest : null;
    outcome[name] = { ...sum, compared, atSource, withoutKey, ofNoMessage };
  }
  return outcome;
}

/** Failed messages whose records are counted, at most; so many at once. */
const MOST_FAILED = 10_000;
const FAILED_AT_ONCE = 2_000;

/** Records of failed messages, by related index: they belong to messages of jobs, too. Undefined where there are very many. */
async function recordsOfFailed(
  context: Pick<VerifyContext, 'on' | 'signal'>,
  jobs: JobSet,
): Promise<number[] | undefined> {
  const { database, related } = context.on;
  const messages = await failedMessages(database, jobs, MOST_FAILED + 1);
  if (messages.length > MOST_FAILED) return undefined;
  const sums = related.map(() => 0);
  for (let first = 0; first < messages.length; first += FAILED_AT_ONCE) {
    const counts = await recordsNow(context, messages.slice(first, first + FAILED_AT_ONCE));
    for (const own of counts)
      for (const [i, count] of (own ?? []).entries()) sums[i] = (sums[i] ?? 0) + count;
  }
  return sums;
}

/** Whether each record belongs to one message at most: by its one key, which is an id, and ids of one index are unique. */
async function areOwnedOnce(
  source: Source,
  indices: readonly RelatedIndex[],
  isSingle: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isSingle) return false;
  for (const index of indices) {
    const [only, another] = index.join;
    if (only?.on !== ID || another) return false;
    if (await source.hasSeveralKeys(index, signal)) return false;
  }
  return true;
}
