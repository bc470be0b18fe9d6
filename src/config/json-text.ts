import { isAlias, isMap, isScalar, isSeq, type Document, type Node } from 'yaml';

/** JSON kept as text: parsing it to JavaScript values would spoil numbers beyond 2^53. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

/**
 * A YAML (or JSON) node as JSON text, without loss: numbers keep the digits they were written with.
 *
 * @throws Error where the node has no JSON form (`.inf`, `.nan`, a key that is not text, an alias to itself)
 */
export function toJsonText(
  node: Node | null,
  document: Document,
  inside: ReadonlySet<Node> = new Set(),
): string {
  if (node === null) return 'null';
  if (inside.has(node)) throw new Error('an alias refers to the node it stands in');
  const deeper = new Set(inside).add(node);
  const child = (value: unknown): string => toJsonText(value as Node | null, document, deeper);
  if (isAlias(node)) return child(node.resolve(document) ?? null);
  if (isMap(node))
    return `{${node.items.map((pair) => `${keyText(pair.key)}:${child(pair.value)}`).join(',')}}`;
  if (isSeq(node)) return `[${node.items.map(child).join(',')}]`;
  if (isScalar(node))
    return typeof node.value === 'number'
      ? numberText(node.source, node.value)
      : JSON.stringify(node.value);
  throw new Error('it has no JSON form');
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
