import { isAlias, isMap, isScalar, isSeq, type Document, type Node } from 'yaml';

/** JSON kept as text: parsing it to JavaScript values would spoil numbers beyond 2^53. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Aliases that a file may resolve, each as often as it is met: those of aliases grow without bounds. */
export const MOST_ALIASES = 100;

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

/**
 * A YAML (or JSON) node as JSON text, without loss: numbers keep the digits they were written with.
 *
 * @throws Error where the node has no JSON form (`.inf`, `.nan`, a key that is not text, an alias to itself),
 *   or resolves more than 100 aliases
 */
export function toJsonText(node: Node | null, document: Document): string {
  let aliases = 0;
  const textOf = (one: Node | null, inside: ReadonlySet<Node>): string => {
    if (one === null) return 'null';
    if (inside.has(one)) throw new Error('an alias refers to the node it stands in');
    const deeper = new Set(inside).add(one);
    const child = (value: unknown): string => textOf(value as Node | null, deeper);
    if (isAlias(one)) {
      aliases += 1;
      if (aliases > MOST_ALIASES) throw new Error(`it has more than ${MOST_ALIASES} aliases`);
      return child(one.resolve(document) ?? null);
    }
    if (isMap(one))
      return `{${one.items.map((pair) => `${keyText(pair.key)}:${child(pair.value)}`).join(',')}}`;
    if (isSeq(one)) return `[${one.items.map(child).join(',')}]`;
    if (isScalar(one))
      return typeof one.value === 'number'
        ? numberText(one.source, one.value)
        : JSON.stringify(one.value);
    throw new Error('it has no JSON form');
  };
  return textOf(node, new Set());
}

function keyText(key: unknown): string {
  if (!isScalar(key)) throw new Error('a key is not text');
  return JSON.stringify(
    typeof key.value === 'string' ? key.value : (key.source ?? String(key.value)),
  );
}

/** YAML also allows `+1`, `007`, `.5`, `1.`, `0x1F` and `0o17`. */
function numberText(source: string | undefined, value: number): string {
  if (source === undefined || (!Number.isFinite(value) && !/\d/.test(source)))
    throw new Error('.inf and .nan are no numbers in JSON');
  if (JSON_NUMBER.test(source)) return source;
  if (/^[-+]?0[xo]/i.test(source)) {
    const magnitude = BigInt(source.replace(/^[-+]/, '')).toString();
    return source.startsWith('-') ? `-${magnitude}` : magnitude;
  }
  const plain = source
    .replace(/^\+/, '')
    .replace(/^(-?)0+(?=\d)/, '$1')
    .replace(/^(-?)\./, '$10.')
    .replace(/\.(?=$|[eE])/, '');
  if (!JSON_NUMBER.test(plain)) throw new Error('a number has no JSON form');
  return plain;
}
