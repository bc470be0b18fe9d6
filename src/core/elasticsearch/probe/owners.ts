import { valuesOf, type JoinPair, type ProbedMessage, type ProbedRecord } from './types.js';

/** Which of some messages a record belongs to, by the same rule as when documents are made. */
export class Owners {
  readonly #messages: readonly ProbedMessage[];
  readonly #byField = new Map<string, ReadonlyMap<string, readonly number[]>>();

  constructor(messages: readonly ProbedMessage[]) {
    this.#messages = messages;
  }

  /** Places among the messages of those that have one of the record's values in each field of the join. */
  placesOf({ keys }: ProbedRecord, join: readonly JoinPair[]): ReadonlySet<number> {
    let places: ReadonlySet<number> | undefined;
    for (const [i, { on }] of join.entries()) {
      const byValue = this.#valuesIn(on);
      const here = new Set((keys[i] ?? []).flatMap((value) => byValue.get(value) ?? []));
      const before: ReadonlySet<number> | undefined = places;
      places = before ? new Set([...here].filter((place) => before.has(place))) : here;
      if (places.size === 0) break;
    }
    return places ?? new Set();
  }

  /** By value of this field: the places of the messages that have it. */
  #valuesIn(on: string): ReadonlyMap<string, readonly number[]> {
    const known = this.#byField.get(on);
    if (known) return known;
    const byValue = new Map<string, number[]>();
    for (const [place, message] of this.#messages.entries()) {
      for (const value of new Set(valuesOf(message, on))) {
        const places = byValue.get(value);
        if (places) places.push(place);
        else byValue.set(value, [place]);
      }
    }
    this.#byField.set(on, byValue);
    return byValue;
  }
}
