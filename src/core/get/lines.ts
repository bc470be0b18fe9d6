const NEW_LINE = 0x0a;

/** How it ended: the line and its end were there, the line's end was not, or no such line was. */
export type LineEnd = 'whole' | 'cut-off' | 'absent';

/**
 * The first line that starts with these bytes, piece by piece, without its line end. Of no line more is held than what
 * still looks like the start. Goes on to the end of the chunks, so that whoever unpacks or checks them sees it, too.
 *
 * @param start not empty
 */
export async function* lineStartingWith(
  chunks: AsyncIterable<Buffer>,
  start: Buffer,
): AsyncGenerator<Buffer, LineEnd, void> {
  let line = new Line(start);
  let isOver = false;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (!isOver && rest.length > 0) {
      const end = rest.indexOf(NEW_LINE);
      yield* line.take(end < 0 ? rest : rest.subarray(0, end));
      if (end < 0) break;
      isOver = line.isWanted;
      if (!isOver) line = new Line(start);
      rest = rest.subarray(end + 1);
    }
  }
  if (isOver) return 'whole';
  return line.isWanted ? 'cut-off' : 'absent';
}

/** A line as it comes in. */
class Line {
  readonly #start: Buffer;
  /** What looks like the start so far. */
  #held: Buffer[] = [];
  #matched = 0;
  #isOther = false;
  isWanted = false;

  constructor(start: Buffer) {
    this.#start = start;
  }

  /** What of the wanted line is known by now and was not given yet. */
  take(piece: Buffer): Buffer[] {
    if (this.isWanted) return [piece];
    if (this.#isOther) return [];
    const expected = this.#start.subarray(this.#matched, this.#matched + piece.length);
    if (!piece.subarray(0, expected.length).equals(expected)) {
      this.#isOther = true;
      this.#held = [];
      return [];
    }
    this.#matched += expected.length;
    this.#held.push(piece);
    this.isWanted = this.#matched === this.#start.length;
    return this.isWanted ? this.#held.splice(0) : [];
  }
}
