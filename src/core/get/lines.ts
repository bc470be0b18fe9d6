const NEW_LINE = 0x0a;

/**
 * The first line that starts with these bytes, without its line end. Of other lines no more is held than what still
 * looks like the start.
 */
export async function lineStartingWith(
  chunks: AsyncIterable<Buffer>,
  start: Buffer,
): Promise<Buffer | undefined> {
  let line = new Line(start);
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let end = rest.indexOf(NEW_LINE); end >= 0; end = rest.indexOf(NEW_LINE)) {
      line.add(rest.subarray(0, end));
      if (line.wanted) return line.bytes();
      line = new Line(start);
      rest = rest.subarray(end + 1);
    }
    line.add(rest);
  }
  return line.wanted ? line.bytes() : undefined;
}

/** A line as it comes in; dropped as soon as its start is not the wanted one. */
class Line {
  readonly #start: Buffer;
  #pieces: Buffer[] = [];
  /** How many bytes of the start have come; -1 once something else has. */
  #matched = 0;

  constructor(start: Buffer) {
    this.#start = start;
  }

  add(piece: Buffer): void {
    if (this.#matched < 0) return;
    const expected = this.#start.subarray(this.#matched, this.#matched + piece.length);
    if (piece.subarray(0, expected.length).equals(expected)) {
      this.#matched += expected.length;
      this.#pieces.push(piece);
    } else {
      this.#matched = -1;
      this.#pieces = [];
    }
  }

  get wanted(): boolean {
    return this.#matched === this.#start.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
