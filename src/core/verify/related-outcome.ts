import type { RelatedSum } from '../status/types.js';
import { countBatches } from '../tracking/counters.js';
import { sumRelated } from '../tracking/related-counts.js';
import { workingSet } from '../tracking/scope.js';
import type { VerifyContext } from './context.js';
import { RECOUNTED } from './related.js';

/** What a verification says of one related index. */
export interface VerifiedRelated extends RelatedSum {
  /** Completed messages whose records were compared with the source: their number, or at level `content` their bytes. */
  readonly compared: number;
  /** Records that the related index has now. */
  readonly atSource: number;
  /** Of those, records without an indexed value in a key of the join: no search finds them, and they are in no document. */
  readonly withoutKey: number;
  /**
   * Of those, records whose key belongs to no message of any job over the index, once every tracked message is completed and its
   * records are counted; null as long as that is not so, or where records belong to several messages.
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
  for (const { name, indices } of related) {
    let [atSource, withoutKey] = [0, 0];
    for (const index of new Map(indices.map((one) => [one.index, one])).values()) {
      atSource += await source.countAllRecords(index, signal);
      withoutKey += await source.countWithoutKey(index, signal);
    }
    const [sum, total] = [own[name], all[name]];
    if (!sum || !total) continue;
    const isWhole = messages.completed === messages.total && total.unknown === 0;
    const rest = atSource - total.records;
    const ofNoMessage = isWhole && rest >= 0 ? rest : null;
    outcome[name] = { ...sum, compared, atSource, withoutKey, ofNoMessage };
  }
  return outcome;
}
