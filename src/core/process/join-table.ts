import type { Hit } from '../elasticsearch/hit.js';
import { ID, INDEX, type RelatedIndex } from '../elasticsearch/join.js';
import type { JoinValues } from '../elasticsearch/related.js';
import type { ClaimedMessage } from '../tracking/claims.js';
import { IdTable } from './id-table.js';

/** A message that was read: its joins are by its id, its index and its fields' values. */
export interface JoinedMessage {
  readonly message: Pick<ClaimedMessage, 'id' | 'index'>;
  readonly hit: Pick<Hit, 'valuesOf' | 'ignored'>;
}

/** The values of a message by which records are joined with it; none where it lacks the field. */
export function joinValues({ message, hit }: JoinedMessage, on: string): readonly string[] {
  if (on === ID) return [message.id.toString('utf8')];
  return on === INDEX ? [message.index] : hit.valuesOf(on);
}

/** A message's values for each field of a join; undefined where it lacks one of the fields, and so has no records. */
export function joinValuesOf(
  { join }: Pick<RelatedIndex, 'join'>,
  message: JoinedMessage,
): JoinValues | undefined {
  const values = join.map(({ on }) => joinValues(message, on));
  return values.every((some) => some.length > 0) ? values : undefined;
}

/** Which messages of a page the records of one related index belong to. */
export class JoinTable {
  readonly #related: RelatedIndex;
  readonly #fields: readonly ValueTable[];
  /** What to search for; undefined where no message has values in all fields. */
  readonly values: JoinValues | undefined;
  /** By place: whether the message lacks a field of the join. */
  readonly lacksValue: readonly boolean[];

  constructor(related: RelatedIndex, messages: readonly JoinedMessage[], tables: ValueTables) {
    this.#related = related;
    this.#fields = related.join.map(({ on }) => tables.of(on));
    this.lacksValue = messages.map((_, place) => this.#fields.some((one) => one.lacks(place)));
    const isAny = this.lacksValue.includes(false);
    this.values = isAny ? this.#fields.map(({ values }) => values) : undefined;
  }

  /**
   * Places of the messages that a record belongs to, each once. Where the join has several fields, there may be none: its
   * values belong to different messages.
   *
   * @throws Error where a value of one field is none that was asked for
   */
  placesOf(hit: Hit): Iterable<number> {
    const [first, ...others] = this.#related.join.map(({ key }, i) => this.#placesBy(hit, key, i));
    if (!first) return [];
    if (others.length === 0) return first;
    const sets = others.map((places) => new Set(places));
    return new Set([...first].filter((place) => sets.every((set) => set.has(place))));
  }

  /** The messages that have one of the record's values in this field of the join. */
  #placesBy(hit: Hit, key: string, field: number): readonly number[] {
    const table = this.#fields[field];
    const places = !table
      ? []
      : key === hit.field
        ? table.placesOfFirst(hit)
        : table.placesOf(hit.valuesOf(key));
    // Left out, a document would lack it without any sign.
    if (places.length === 0) {
      const { index } = this.#related;
      throw new Error(`${index}: record ${hit.id} was found, but has no ${key} that was asked for`);
    }
    return places;
  }
}

/** The values of all messages of a page, by field: several related indices may be joined by the same one. */
export class ValueTables {
  readonly #messages: readonly JoinedMessage[];
  readonly #tables = new Map<string, ValueTable>();

  constructor(messages: readonly JoinedMessage[]) {
    this.#messages = messages;
  }

  of(on: string): ValueTable {
    const known = this.#tables.get(on);
    if (known) return known;
    const table = new ValueTable(on, this.#messages);
    this.#tables.set(on, table);
    return table;
  }
}

/** The different values that messages have in one field, and who has each. */
class ValueTable {
  readonly values: readonly string[];
  readonly #table: IdTable;
  /** By value: the places of the messages that have it. */
  readonly #owners: readonly (readonly number[])[];
  readonly #lacking: ReadonlySet<number>;

  constructor(on: string, messages: readonly JoinedMessage[]) {
    const owners = new Map<string, number[]>();
    const lacking = new Set<number>();
    for (const [place, message] of messages.entries()) {
      const values = joinValues(message, on);
      if (values.length === 0) lacking.add(place);
      for (const value of values) {
        const others = owners.get(value);
        if (!others) owners.set(value, [place]);
        else if (others.at(-1) !== place) others.push(place);
      }
    }
    this.values = [...owners.keys()];
    this.#owners = [...owners.values()];
    this.#table = new IdTable(this.values.map((value) => Buffer.from(value, 'utf8')));
    this.#lacking = lacking;
  }

  lacks(place: number): boolean {
    return this.#lacking.has(place);
  }

  /** By the values of the hit's first field, which hardly ever are made strings. */
  placesOfFirst({ body, valueStart, valueEnd, otherValues }: Hit): readonly number[] {
    if (valueEnd === 0) return NOWHERE;
    const places = this.#ownersOf(this.#table.find(body, valueStart, valueEnd));
    if (otherValues.length === 0) return places;
    return union([places, ...otherValues.map((value) => this.#placesOfValue(String(value)))]);
  }

  placesOf(values: readonly string[]): readonly number[] {
    return union(values.map((value) => this.#placesOfValue(value)));
  }

  #placesOfValue(value: string): readonly number[] {
    return this.#ownersOf(this.#table.findText(value));
  }

  #ownersOf(value: number): readonly number[] {
    return this.#owners[value] ?? NOWHERE;
  }
}

const NOWHERE: readonly number[] = [];

function union(lists: readonly (readonly number[])[]): readonly number[] {
  return [...new Set(lists.flat())];
}
