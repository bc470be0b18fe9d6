/**
 * A second opinion on answers of searches: what the scanner should find in these bytes. It shares nothing with the scanner: it
 * works on text of one character a byte, takes tokens by regular expressions, builds the whole tree, and only then looks.
 */
export interface OracleHit {
  readonly id: string;
  readonly index: string;
  /** One character a byte, on one line. */
  readonly source: string | undefined;
  readonly sort: string;
}

/** Undefined where the answer is malformed; `unreadable` where a document makes it so. */
export type OracleAnswer = readonly OracleHit[] | 'unreadable' | undefined;

interface Member {
  readonly key: string;
  readonly value: Value;
}
interface Value {
  readonly kind: 'object' | 'array' | 'string' | 'other';
  readonly start: number;
  readonly end: number;
  readonly members: readonly Member[];
  readonly items: readonly Value[];
}

// eslint-disable-next-line no-control-regex -- which a string of JSON must not have
const STRING = /"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)/y;
const BLANK = /[ \t\r\n]*/y;
const IN_DOCUMENT = /(?:[ \t\r\n]|\/\*[^]*?\*\/|\/\/[^\r\n]*|\xef\xbb\xbf)*/y;
const BEHIND_DOCUMENT = /(?:[ \t\r\n]|\/\*[^]*?\*\/)*/y;
const COMMENT_OR_STRING = /"(?:[^"\\]|\\[^])*"|\/\*[^]*?\*\/|\/\/[^\r\n]*|\xef\xbb\xbf/g;

class Malformed extends Error {}
class Unreadable extends Error {}

export function expectedHits(body: Buffer): OracleAnswer {
  const text = body.toString('latin1');
  try {
    const root = new Reader(text).whole();
    return hitsOf(text, root);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    if (error instanceof Unreadable) return 'unreadable';
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;
  #blank = BLANK;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Value {
    this.#take(BLANK);
    const value = this.#value(['answer']);
    this.#take(BLANK);
    if (this.#at !== this.#text.length) throw new Malformed();
    return value;
  }

  /** @param path where the value stands: documents are the values of `_source` in hits */
  #value(path: readonly string[]): Value {
    const isDocument = path.join('/') === 'answer/hits/hits/*/_source';
    if (isDocument) this.#blank = IN_DOCUMENT;
    if (isDocument) this.#take(this.#blank);
    const start = this.#at;
    const members: Member[] = [];
    const items: Value[] = [];
    let kind: Value['kind'] = 'other';
    if (isDocument && this.#text[start] !== '{') throw new Malformed();
    switch (this.#text[start] ?? '') {
      case '{':
        kind = 'object';
        this.#list('}', () => {
          const key = this.#string();
          this.#take(this.#blank);
          this.#expect(':');
          this.#take(this.#blank);
          members.push({ key, value: this.#value([...path, key]) });
        });
        break;
      case '[':
        kind = 'array';
        this.#list(']', () => items.push(this.#value([...path, '*'])));
        break;
      case '"':
        kind = 'string';
        this.#string();
        break;
      default:
        if (!this.#take(SCALAR)) throw new Malformed();
    }
    const end = this.#at;
    if (isDocument) {
      this.#blank = BLANK;
      this.#take(BEHIND_DOCUMENT);
      if (this.#text.startsWith('//', this.#at)) throw new Unreadable();
    }
    return { kind, start, end, members, items };
  }

  #list(close: string, item: () => void): void {
    this.#at += 1;
    this.#take(this.#blank);
    if (this.#text[this.#at] === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      item();
      this.#take(this.#blank);
      if (this.#text[this.#at] === close) {
        this.#at += 1;
        return;
      }
      this.#expect(',');
      this.#take(this.#blank);
    }
  }

  #string(): string {
    const start = this.#at;
    if (!this.#take(STRING)) throw new Malformed();
    const bytes = Buffer.from(this.#text.slice(start, this.#at), 'latin1');
    // Documents are copied as they are; everything else is text.
    if (this.#blank === BLANK) utf8(bytes);
    return JSON.parse(bytes.toString('utf8')) as string;
  }

  #expect(character: string): void {
    if (this.#text[this.#at] !== character) throw new Malformed();
    this.#at += 1;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (!found) return false;
    this.#at += found[0].length;
    return true;
  }
}

function utf8(bytes: Buffer): void {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Malformed();
  }
}

function once(value: Value, key: string): Value | undefined {
  const found = value.members.filter((member) => member.key === key);
  if (found.length > 1) throw new Malformed();
  return found[0]?.value;
}

function hitsOf(text: string, root: Value): readonly OracleHit[] {
  const plain = (value: Value | undefined): unknown =>
    value && JSON.parse(Buffer.from(text.slice(value.start, value.end), 'latin1').toString('utf8'));
  if (root.kind !== 'object') throw new Malformed();
  const outer = once(root, 'hits');
  const pit = once(root, 'pit_id');
  if (pit && pit.kind !== 'string') throw new Malformed();
  const took = plain(once(root, 'took'));
  if (took !== undefined && !(typeof took === 'number' && took >= 0 && took < Infinity))
    throw new Malformed();
  for (const name of ['timed_out', 'terminated_early']) {
    const flag = plain(once(root, name));
    if (flag !== undefined && flag !== false) throw new Malformed();
  }
  const shards = plain(once(root, '_shards'));
  if (shards !== undefined) refuseShards(shards);
  if (once(root, '_clusters')) throw new Malformed();
  if (outer?.kind !== 'object') throw new Malformed();
  const total = plain(once(outer, 'total'));
  if (total !== undefined) refuseTotal(total);
  const list = once(outer, 'hits');
  if (list && list.kind !== 'array') throw new Malformed();
  return (list?.items ?? []).map((hit) => hitOf(text, hit, plain));
}

function hitOf(text: string, hit: Value, plain: (value: Value | undefined) => unknown): OracleHit {
  if (hit.kind !== 'object') throw new Malformed();
  const id = plain(once(hit, '_id'));
  const index = plain(once(hit, '_index'));
  for (const name of [id, index]) {
    if (typeof name !== 'string' || /[\ud800-\udfff]/u.test(name)) throw new Malformed();
  }
  if (index === '') throw new Malformed();
  const sort = once(hit, 'sort');
  if (sort && sort.kind !== 'array') throw new Malformed();
  for (const name of ['_seq_no', '_primary_term']) {
    const number = once(hit, name);
    if (number && typeof plain(number) !== 'number') throw new Malformed();
  }
  const ignored = plain(once(hit, '_ignored'));
  if (
    ignored !== undefined &&
    !(Array.isArray(ignored) && ignored.every((one) => typeof one === 'string'))
  )
    throw new Malformed();
  const fields = once(hit, 'fields');
  if (fields) {
    if (fields.kind !== 'object') throw new Malformed();
    for (const { key, value } of fields.members) {
      once(fields, key);
      if (value.kind !== 'array') throw new Malformed();
    }
  }
  const source = once(hit, '_source');
  return {
    id: id as string,
    index: index as string,
    source: source && onOneLine(text.slice(source.start, source.end)),
    sort: sort ? Buffer.from(onOneLine(text.slice(sort.start, sort.end)), 'latin1').toString() : '',
  };
}

function onOneLine(json: string): string {
  return json
    .replace(COMMENT_OR_STRING, (part) => (part.startsWith('"') ? part : ' '.repeat(part.length)))
    .replace(/[\r\n]/g, ' ');
}

function refuseShards(shards: unknown): void {
  if (typeof shards !== 'object' || shards === null || Array.isArray(shards)) throw new Malformed();
  const { total, successful, failed, failures } = shards as Record<string, unknown>;
  for (const count of [total, successful, failed])
    if (count !== undefined && !(Number.isSafeInteger(count) && (count as number) >= 0))
      throw new Malformed();
  if (failures !== undefined && !Array.isArray(failures)) throw new Malformed();
  const all = (total ?? 0) as number;
  if (total === 0 || Number(failed ?? 0) > 0 || Number(successful ?? all) < all)
    throw new Malformed();
}

function refuseTotal(total: unknown): void {
  const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
  if (isCount(total)) return;
  if (typeof total !== 'object' || total === null || Array.isArray(total)) throw new Malformed();
  const { value, relation } = total as Record<string, unknown>;
  if (!isCount(value) || !(relation === undefined || relation === 'eq')) throw new Malformed();
}
