import { QUOTE } from '../elasticsearch/json-bytes.js';
import { hasBackslash, sameBytes, textOfString } from '../elasticsearch/json-strings.js';

/**
 * Which of some ids an id in an answer is, told by its bytes: most records are found by an id that is never made a string.
 * Open addressing; at least three of four slots are free.
 */
export class IdTable {
  readonly #ids: readonly Buffer[];
  /** Places in `#ids`, by the hash of the id; -1 where free. */
  readonly #slots: Int32Array;

  /** @param ids UTF-8, each once */
  constructor(ids: readonly Buffer[]) {
    this.#ids = ids;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(4 * ids.length + 1))).fill(-1);
    ids.forEach((id, place) => {
      this.#slots[this.#slotOf(id, 0, id.length)] = place;
    });
  }

  /** How many ids it has. */
  get size(): number {
    return this.#ids.length;
  }

  /** Place of the id whose JSON text stands from `start` to `end`, a string or a number; -1 where it is none of them. */
  find(json: Buffer, start: number, end: number): number {
    if (json[start] !== QUOTE) return this.findText(json.toString('utf8', start, end));
    if (hasBackslash(json, start, end)) return this.findText(textOfString(json, start, end));
    return this.#slots[this.#slotOf(json, start + 1, end - 1)] ?? -1;
  }

  /** The same of an id as text. */
  findText(id: string): number {
    const bytes = Buffer.from(id, 'utf8');
    return this.#slots[this.#slotOf(bytes, 0, bytes.length)] ?? -1;
  }

  /** The slot where these bytes are, or would be. */
  #slotOf(bytes: Buffer, start: number, end: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(bytes, start, end) & mask; ; slot = (slot + 1) & mask) {
      const id = this.#ids[this.#slots[slot] ?? -1];
      if (!id || sameBytes(id, 0, id.length, bytes, start, end)) return slot;
    }
  }
}

/** FNV-1a, its upper half folded in. */
function hash(bytes: Buffer, start: number, end: number): number {
  let value = 0x811c9dc5;
  for (let i = start; i < end; i += 1) value = Math.imul(value ^ (bytes[i] ?? 0), 0x01000193);
  return value ^ (value >>> 16);
}
