import type { Owners } from './owners.js';
import { valuesOf, type JoinPair, type ProbedMessage, type ProbedRecord } from './types.js';

/** Fewer records that belong to several messages are not spoken of. */
const FEWEST = 10;
/** Messages of one index that are compared with each other, where a record belongs to several. */
const MOST_COMPARED = 10;
/** Of the records that belong to several messages, so many have to belong to one alone by a further pair of fields. */
const TOLD_APART = 0.9;

/** What is known where most of the records that were looked at belong to several messages of one index. */
export interface SeveralOwners {
  /** Records that belong to any message. */
  readonly owned: number;
  /** Those of them that belong to more than one of the same index. */
  readonly shared: number;
  /** Values of the join that several messages have. */
  readonly example: readonly string[];
  /** Pairs of fields by which nearly all of these records belong to one message alone, the best first. */
  readonly tellers: readonly Teller[];
}

export interface Teller {
  readonly pair: JoinPair;
  /** Records that still belong to several messages with this pair in the join. */
  readonly shared: number;
}

/**
 * Whether most of the records that belong to a message belong to several of one index, as where two tenants number their messages
 * alike; and what would tell these messages apart.
 *
 * @returns undefined where no more than half of the records do, or fewer than ten
 */
export function severalOwners(
  records: readonly ProbedRecord[],
  messages: readonly ProbedMessage[],
  owners: Owners,
  join: readonly JoinPair[],
  tellers: readonly JoinPair[],
): SeveralOwners | undefined {
  const shared: { record: ProbedRecord; group: readonly ProbedMessage[] }[] = [];
  let owned = 0;
  let example: readonly string[] | undefined;
  for (const record of records) {
    const own = [...owners.placesOf(record, join)].flatMap((place) => messages[place] ?? []);
    if (own.length > 0) owned += 1;
    for (const group of ofOneIndex(own)) {
      const key = commonKey(record, group, join);
      if (!key) continue;
      example ??= key;
      shared.push({ record, group });
      break;
    }
  }
  if (!example || shared.length < FEWEST || shared.length * 2 <= owned) return undefined;
  const good = tellers.flatMap((pair): Teller[] => {
    const counts = shared.map(({ record, group }) => ownersBy(pair, record, group));
    const told = counts.filter((count) => count === 1).length;
    if (told < shared.length * TOLD_APART) return [];
    return [{ pair, shared: counts.filter((count) => count > 1).length }];
  });
  const best = good.sort((a, b) => a.shared - b.shared);
  return { owned, shared: shared.length, example, tellers: best };
}

/** The record's values, one for each field of the join, that both messages have. */
export function sharedValues(
  { keys }: ProbedRecord,
  one: ProbedMessage,
  other: ProbedMessage,
  join: readonly JoinPair[],
): readonly string[] | undefined {
  const shared: string[] = [];
  for (const [at, { on }] of join.entries()) {
    const [own, others] = [valuesOf(one, on), valuesOf(other, on)];
    const value = keys[at]?.find((some) => own.includes(some) && others.includes(some));
    if (value === undefined) return undefined;
    shared.push(value);
  }
  return shared;
}

/** A key that two of the messages have: a record with several values may belong to several messages on purpose. */
function commonKey(
  record: ProbedRecord,
  group: readonly ProbedMessage[],
  join: readonly JoinPair[],
): readonly string[] | undefined {
  const some = group.slice(0, MOST_COMPARED);
  for (const [i, one] of some.entries()) {
    for (const other of some.slice(i + 1)) {
      const key = sharedValues(record, one, other, join);
      if (key) return key;
    }
  }
  return undefined;
}

function ofOneIndex(messages: readonly ProbedMessage[]): ProbedMessage[][] {
  const groups = new Map<string, ProbedMessage[]>();
  for (const message of messages) {
    const group = groups.get(message.index);
    if (group) group.push(message);
    else groups.set(message.index, [message]);
  }
  return [...groups.values()];
}

/** How many of the messages have one of the record's values. */
function ownersBy(
  { key, on }: JoinPair,
  { others }: ProbedRecord,
  group: readonly ProbedMessage[],
): number {
  const values = others.get(key) ?? [];
  return group.filter((message) => valuesOf(message, on).some((one) => values.includes(one)))
    .length;
}
