import { usage, type MigrateError } from '../../errors.js';
import { listed } from '../listed.js';
import type { BetterJoin, Forward } from './forward.js';
import type { Backward } from './backward.js';
import type { JoinPair } from './types.js';

/** Which join was tried, for people. */
export interface Tried {
  /** Of the array in the documents. */
  readonly name: string;
  /** The related index. */
  readonly index: string;
  readonly join: readonly JoinPair[];
  /** Where the messages are. */
  readonly messages: string;
}

/** `and` reads like the join: all of its fields have to be equal. */
const allOf = (names: readonly string[]) => names.join(' and ');
const fieldsOf = (join: readonly JoinPair[]) => allOf(join.map(({ on }) => on));
const setting = ({ name }: Tried) => `source.related.${name}`;

/** As it stands in the configuration file. */
function written(names: readonly string[]): string {
  return names.length === 1 ? (names[0] ?? '') : `[${names.join(', ')}]`;
}

/** Another field gives more of the sampled messages their records. */
export function betterField(tried: Tried, forward: Forward, better: BetterJoin): MigrateError {
  const on = written(better.join.map((one) => one.on));
  return usage(
    byWhich(tried, forward, better),
    `Write on: ${on} there; where ${fieldsOf(tried.join)} is right all the same, write probe: false.`,
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
  const messages = sampled === 1 ? '1 message' : `${sampled} messages`;
  return `of ${messages} sampled, ${withRecords} have records in ${tried.index} by ${own}, and ${better.withRecords} by ${other} (${setting(tried)})`;
}

/** None of the records that were looked at belongs to a message. */
export function ownedByNobody(tried: Tried, { sampled }: Backward): MigrateError {
  const keys = allOf(tried.join.map(({ key }) => key));
  const records = sampled.length === 1 ? '1 record' : `${sampled.length} records`;
  const first = (sampled[0]?.keys ?? []).map((values) => values[0] ?? '');
  return usage(
    `of ${records} sampled in ${tried.index}, none belongs to a message of ${tried.messages}: no message has one's ${keys} as its ${fieldsOf(tried.join)} (${setting(tried)}); the first has ${printable(first)}`,
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
