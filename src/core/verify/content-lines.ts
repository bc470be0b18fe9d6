import { createHash, type Hash } from 'node:crypto';
import type { Digest } from './content-source.js';

/** A document found in a batch's object. */
export interface StoredLine {
  readonly id: string;
  readonly index: string;
  readonly digest: Digest;
  /** How often the same message stands in the object; the digest is the first one's. */
  readonly times: number;
}

export interface StoredLines {
  /** By index and id, `INDEX/ID`. */
  readonly lines: ReadonlyMap<string, StoredLine>;
  /** Lines that don't begin as a document does, or have no line end. */
  readonly unnamed: number;
}

const NEW_LINE = 0x0a;
/** An id of 512 bytes, each written as six in JSON, an index name of 255, and the words between. */
const LONGEST_HEAD = 4_096;
const HEAD = /^\{"message_id":("(?:[^"\\]|\\.)*"),"index":("(?:[^"\\]|\\.)*"),"message":/s;

/** Reads documents a line each, however long, and keeps of each its name and its checksum. */
export async function readLines(chunks: AsyncIterable<Uint8Array>): Promise<StoredLines> {
  const lines = new Map<string, StoredLine>();
  let unnamed = 0;
  const end = (line: Line): void => {
    const name = line.name();
    if (!name) {
      unnamed += 1;
      return;
    }
    const path = `${name.index}/${name.id}`;
    const known = lines.get(path);
    lines.set(
      path,
      known ? { ...known, times: known.times + 1 } : { ...name, digest: line.digest(), times: 1 },
    );
  };
  let line = new Line();
  for await (const chunk of chunks) {
    let rest = chunk;
    for (let at = rest.indexOf(NEW_LINE); at >= 0; at = rest.indexOf(NEW_LINE)) {
      line.add(rest.subarray(0, at));
      end(line);
      line = new Line();
      rest = rest.subarray(at + 1);
    }
    line.add(rest);
  }
  return { lines, unnamed: unnamed + (line.isEmpty ? 0 : 1) };
}

/** A line as it comes in: its beginning and a running checksum. */
class Line {
  readonly #hash: Hash = createHash('sha256');
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #bytes = 0;

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  add(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
    if (this.#headBytes >= LONGEST_HEAD) return;
    // Copied: a view would hold the whole chunk.
    const head = Buffer.from(piece.subarray(0, LONGEST_HEAD - this.#headBytes));
    this.#head.push(head);
    this.#headBytes += head.length;
  }

  /** The message the document is of. Undefined where it is no document. */
  name(): { id: string; index: string } | undefined {
    const [, id, index] = HEAD.exec(Buffer.concat(this.#head).toString('utf8')) ?? [];
    if (id === undefined || index === undefined) return undefined;
    try {
      return { id: JSON.parse(id) as string, index: JSON.parse(index) as string };
    } catch {
      return undefined;
    }
  }

  digest(): Digest {
    return { sha256: this.#hash.digest(), bytes: this.#bytes };
  }
}
