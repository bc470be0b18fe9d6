import { usage, type MigrateError } from '../../errors.js';
import { counted, listed } from '../../words.js';
import type { BetterJoin, Forward } from './forward.js';
import type { Backward } from './backward.js';
import type { SeveralOwners, Teller } from './several-owners.js';
import type { JoinPair } from './types.js';
import type { RelatedSettings } from '../../settings.js';
import { writtenEntry } from '../written-join.js';

/** Which join was tried, for people. */
export interface Tried {
  /** As it is configured. */
  readonly settings: RelatedSettings;
  /** The related index. */
  readonly index: string;
  readonly join: readonly JoinPair[];
  /** Where the messages are. */
  readonly messages: string;
}

/** `and` reads like the join: all of its fields have to be equal. */
const allOf = (names: readonly string[]) => names.join(' and ');
const fieldsOf = (join: readonly JoinPair[]) => allOf(join.map(({ on }) => on));
const setting = ({ settings }: Tried) => `source.related.${settings.name}`;

/** Another field gives more of the sampled messages their records. */
export function betterField(tried: Tried, forward: Forward, better: BetterJoin): MigrateError {
  return usage(
    byWhich(tried, forward, better),
    `Write ${writtenEntry(tried.settings, better.join)}; where ${fieldsOf(tried.join)} is right all the same, add probe: false to what is there.`,
  );
}

/** The same where no join can be by that field; `reason` says why. */
export function betterButUnusable(
  tried: Tried,
  forward: Forward,
  better: BetterJoin,
  reason: MigrateError,
): MigrateError {
  return usage(
    `${byWhich(tried, forward, better)}; but ${reason.message}`,
    `Map that value as a field that a join can be by; where ${fieldsOf(tried.join)} is right all the same, write probe: false in ${setting(tried)}.`,
  );
}

function byWhich(tried: Tried, { sampled, withRecords }: Forward, better: BetterJoin): string {
  const [own, other] = [fieldsOf(tried.join), fieldsOf(better.join)];
  return `of ${counted(sampled, 'message')} sampled, ${withRecords} have records in ${tried.index} by ${own}, and ${better.withRecords} by ${other} (${setting(tried)})`;
}

/** None of the records that were looked at belongs to a message. */
export function ownedByNobody(tried: Tried, { sampled }: Backward): MigrateError {
  const keys = allOf(tried.join.map(({ key }) => key));
  const first = (sampled[0]?.keys ?? []).map((values) => values[0] ?? '');
  return usage(
    `none of ${counted(sampled.length, 'record')} sampled in ${tried.index} belongs to a message of ${tried.messages}: the first has ${keys} ${printable(first)}, and no message has that as its ${fieldsOf(tried.join)} (${setting(tried)})`,
    'Correct key, on or index there; where records may belong to no message, write optional: true.',
  );
}

/** There are records, and none has the keys. */
export function withoutKeys(tried: Tried): MigrateError {
  const keys = allOf(tried.join.map(({ key }) => key));
  return usage(
    `none of the records in ${tried.index} has a value in ${keys}, so none belongs to a message (${setting(tried)})`,
    'Correct key or index there; where records may belong to no message, write optional: true.',
  );
}

/** Records would land in documents of two indices. */
export function sharedKey(tried: Tried, shared: NonNullable<Backward['shared']>): MigrateError {
  const keys = allOf(tried.join.map(({ key }) => key));
  const [one, other] = shared.indices;
  return usage(
    `records in ${tried.index} with ${keys} ${printable(shared.key)} belong to a message of ${one} and to one of ${other} alike (${setting(tried)})`,
    "Where the indices of messages have related indices of their own, name them in pairs (index: { 'messages-(.*)': 'history-$1' }); where the records have a field that tells them apart, add it to key and on; where they belong to both, write probe: false.",
  );
}

/** Most records belong to several messages of an index, which `teller` would tell apart. */
export function mixedUp(tried: Tried, several: SeveralOwners, teller: Teller): MigrateError {
  const join = [teller.pair, ...tried.join];
  return usage(
    `of ${counted(several.owned, 'record')} sampled in ${tried.index}, ${several.shared} belong to several messages of one index by ${fieldsOf(tried.join)}, and ${teller.shared} by ${fieldsOf(join)} (${setting(tried)})`,
    `Write ${writtenEntry(tried.settings, join)}; where they belong to all of these messages, add probe: false to what is there.`,
  );
}

/** The same where nothing would tell them apart, as with a thread's id: no error. */
export function sharedByMany(tried: Tried, several: SeveralOwners): string {
  const keys = allOf(tried.join.map(({ key }) => key));
  return `${several.shared} of ${counted(several.owned, 'record')} sampled in ${tried.index} belong to more than one message (such as those with ${keys} ${printable(several.example)}): is a field missing in key and on (${setting(tried)})?`;
}

/** Of one value, in characters. */
const LONGEST = 60;

function printable(key: readonly string[]): string {
  return listed(
    key.map((value) => {
      const cut = value.length > LONGEST ? `${value.slice(0, LONGEST - 1)}…` : value;
      return JSON.stringify(cut).replace(UNPRINTABLE, escaped);
    }),
  );
}

/** What a terminal might obey, and JSON leaves as it is: DEL, C1 controls, line separators, marks of direction. */
const UNPRINTABLE = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
