/**
 * Which records belong to which message, made from what was put in. As expected.ts it shares no code with the product: it looks
 * at every pair of message and record, by what the contract says of joins.
 */
export interface Document {
  readonly index: string;
  readonly id: string;
  readonly source: string;
}

export interface ExpectedJoin {
  readonly key: readonly string[];
  readonly on: readonly string[];
  /** Messages of the index whose name ends in a letter have their records in the one that ends in the same. */
  readonly byMonth?: boolean;
}

type Values = Readonly<Record<string, string | readonly string[] | undefined>>;

/** The documents, and how many records they have. */
export function expectedJoins(
  messages: readonly Document[],
  records: readonly Document[],
  { key, on, byMonth = false }: ExpectedJoin,
): {
  documents: string[];
  sums: { records: number; withoutRecords: number; withoutValue: number };
} {
  const parsed = records.map((record) => ({ record, values: JSON.parse(record.source) as Values }));
  const sums = { records: 0, withoutRecords: 0, withoutValue: 0 };
  const documents = messages.map((message) => {
    const values = JSON.parse(message.source) as Values;
    const wanted = on.map((field) => (field === '_id' ? [message.id] : listOf(values[field])));
    const own = parsed.filter(
      ({ record, values: has }) =>
        (!byMonth || record.index.at(-1) === message.index.at(-1)) &&
        key.every((field, i) => listOf(has[field]).some((value) => wanted[i]?.includes(value))),
    );
    own.sort(
      (a, b) =>
        timeOf(a.values) - timeOf(b.values) ||
        compare(a.record.index, b.record.index) ||
        compare(a.record.id, b.record.id),
    );
    sums.records += own.length;
    if (own.length === 0) sums.withoutRecords += 1;
    if (wanted.some((some) => some.length === 0)) sums.withoutValue += 1;
    const history = own.map(({ record }) => record.source).join(',');
    return `{"message_id":"${message.id}","index":"${message.index}","message":${message.source},"history":[${history}]}`;
  });
  return { documents, sums };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return value === undefined ? [] : [value].flat();
}

/** A record without the sort field comes last. */
function timeOf({ at }: Values): number {
  return typeof at === 'string' ? Date.parse(at) : Infinity;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
