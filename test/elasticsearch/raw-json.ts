import fc from 'fast-check';

/** JSON as raw text, the worst of it: what a parser would round, reorder, merge or rewrite. */
export const rawJson: fc.Arbitrary<string> = fc.letrec<{ value: string; member: string }>(
  (tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar(),
      list('[', ']', tie('value')),
      list('{', '}', tie('member')),
    ),
    member: fc
      .tuple(key(), blanks(), blanks(), tie('value'))
      .map(([name, before, after, value]) => `${name}${before}:${after}${value}`),
  }),
).value;

/** The same, always an object. */
export const rawObject: fc.Arbitrary<string> = fc
  .array(fc.tuple(key(), blanks(), rawJson), { maxLength: 6 })
  .map((members) => `{${members.map(([name, gap, value]) => `${name}:${gap}${value}`).join(',')}}`);

/** White space as JSON allows it between tokens. */
export function blanks(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant('') },
    fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n', '\r\n'), maxLength: 4 }),
  );
}

function list(open: string, close: string, item: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.array(fc.tuple(blanks(), item, blanks()), { maxLength: 4 }).chain((items) =>
    blanks().map((inside) => {
      const parts = items.map(([before, value, after]) => before + value + after);
      return `${open}${parts.join(',') || inside}${close}`;
    }),
  );
}

function scalar(): fc.Arbitrary<string> {
  return fc.oneof(number(), text(), fc.constantFrom('true', 'false', 'null'));
}

function number(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.constantFrom('1e400', '-1E-400', '-0.0', '-0', '1.10', '0.1e1', '1E+05', '0'),
    fc.constantFrom('9007199254740993', '18446744073709551615', '-9223372036854775808'),
    fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
  );
}

/** Strings as text with quotes: raw characters and escapes mixed, lone surrogates as escapes only. */
function text(): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.constantFrom('{', '}', '[', ']', ',', ':', '_source', '"hits"'.replaceAll('"', '\\"')),
    fc.constantFrom('\\\\', '\\"', '\\/', '\\b', '\\f', '\\n', '\\r', '\\t'),
    fc.constantFrom(
      '\\u0000',
      '\\u0022',
      '\\u005C',
      '\\ud83d\\ude00',
      '\\uD83D',
      '\\ude00',
      '\\u2028',
    ),
    fc.constantFrom('ä', '€', '😀', '\u2028', '\u007f', '\ufeff'),
    fc.string({ unit: 'binary', maxLength: 3 }).map((s) => JSON.stringify(s).slice(1, -1)),
  );
  return fc.array(piece, { maxLength: 5 }).map((pieces) => `"${pieces.join('')}"`);
}

/** Keys that also stand in a response, so often that duplicates are common. */
function key(): fc.Arbitrary<string> {
  return fc.oneof(
    fc
      .constantFrom('_source', 'hits', '_id', '_index', 'sort', 'fields', 'total', '_shards', '')
      .map((name) => `"${name}"`),
    text(),
  );
}

/** A raw object of 100 objects and arrays in each other. */
export function nested(depth: number): string {
  let inner = '"\\"]}"';
  for (let i = 0; i < depth; i += 1) inner = i % 2 === 0 ? `{"hits":${inner}}` : `[ ${inner}]`;
  return `{"deep":${inner}}`;
}
