import { bytesOfString, compareStrings, sameBytes, textOfString } from './json-strings.js';

/**
 * One hit of a search, as it lies in the answer: where its parts begin and end. What nobody asks for is never made, since
 * there are millions of hits, and most of their parts are only compared or copied. A part that the hit came without begins and
 * ends at 0.
 */
export class Hit {
  /** The whole answer. */
  readonly body: Buffer;
  /** Name of the index, and below where it stands, with its quotes. */
  index = '';
  indexStart = 0;
  indexEnd = 0;
  idStart = 0;
  idEnd = 0;
  /**
   * `_seq_no` and `_primary_term`: together others after every change of the document. Neither is there where the search
   * did not ask for them, or the server has none (indices made before Elasticsearch 6).
   */
  seqNoStart = 0;
  seqNoEnd = 0;
  primaryTermStart = 0;
  primaryTermEnd = 0;
  sourceStart = 0;
  sourceEnd = 0;
  sortStart = 0;
  sortEnd = 0;
  /** A doc-value field that was asked for, the first of them, and its first value. */
  field = '';
  valueStart = 0;
  valueEnd = 0;
  /** The values behind it; hardly ever any. */
  otherValues: readonly unknown[] = NONE;
  /** The other doc-value fields that were asked for, where the document has them. */
  otherFields: readonly FieldValues[] = NO_FIELDS;
  /** Fields of which Elasticsearch has left out a value when it indexed the document (`ignore_above`, `ignore_malformed`). */
  ignored: readonly string[] = NO_NAMES;

  constructor(body: Buffer) {
    this.body = body;
  }

  get id(): string {
    return textOfString(this.body, this.idStart, this.idEnd);
  }

  /** The same in UTF-8: a view into the answer, as a rule. */
  get idBytes(): Buffer {
    return bytesOfString(this.body, this.idStart, this.idEnd);
  }

  /** The doc values of a field that was asked for; none where the document has none. */
  valuesOf(field: string): readonly string[] {
    if (this.valueEnd === 0 || field !== this.field)
      return this.otherFields.find((one) => one.field === field)?.values ?? [];
    const first = this.body.toString('utf8', this.valueStart, this.valueEnd);
    const text = first.startsWith('"') ? (JSON.parse(first) as string) : first;
    return [text, ...this.otherValues.map(String)];
  }

  /** The `_source` as it stands in the answer: a view into it. Undefined where the index keeps none. */
  get source(): Buffer | undefined {
    return this.sourceEnd === 0 ? undefined : this.body.subarray(this.sourceStart, this.sourceEnd);
  }

  get sourceBytes(): number {
    return this.sourceEnd - this.sourceStart;
  }

  /**
   * Copies the source to a place in `target`, where there must be room; how many bytes it has. Without one it throws: preflight
   * has refused indices that keep none, so this is a bug or an index made since.
   */
  copySource(target: Buffer, at: number): number {
    if (this.sourceEnd === 0)
      throw new Error(`${this.index}: ${this.id} has no source to be copied`);
    return this.body.copy(target, at, this.sourceStart, this.sourceEnd);
  }

  /** The sort values as the array's JSON text: their numbers exceed 2^53. Empty where it came without. */
  get sort(): string {
    return this.body.toString('utf8', this.sortStart, this.sortEnd);
  }

  /** Whether both have the same sort values. */
  sortsLike({ body, sortStart, sortEnd }: Hit): boolean {
    return sameBytes(this.body, this.sortStart, this.sortEnd, body, sortStart, sortEnd);
  }
}

/** Doc values of one field. */
export interface FieldValues {
  readonly field: string;
  readonly values: readonly string[];
}

/** By UTF-8 bytes, as Elasticsearch orders keywords. */
export function byIndexAndId(a: Hit, b: Hit): number {
  return (
    compareStrings(a.body, a.indexStart, a.indexEnd, b.body, b.indexStart, b.indexEnd) ||
    compareStrings(a.body, a.idStart, a.idEnd, b.body, b.idStart, b.idEnd)
  );
}

const NONE: readonly unknown[] = [];
const NO_NAMES: readonly string[] = [];
const NO_FIELDS: readonly FieldValues[] = [];
