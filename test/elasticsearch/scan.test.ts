import { Readable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSearch } from '../../src/core/elasticsearch/answer.js';
import type { Hit } from '../../src/core/elasticsearch/hit.js';
import { collect } from '../../src/core/elasticsearch/requests.js';
import { putOnOneLine } from '../../src/core/elasticsearch/scan.js';
import { isFault } from '../../src/core/fault.js';
import { blanks, nested, rawJson, rawObject } from './raw-json.js';

interface RawHit {
  id: string;
  index: string;
  source: string;
  /** As the array's text. */
  sort: string;
}

const rawHit: fc.Arbitrary<RawHit> = fc.record({
  id: fc.string({ minLength: 1, unit: 'grapheme' }),
  index: fc.constantFrom('messages', 'messages-2024', 'ä'),
  source: rawObject,
  sort: fc
    .array(fc.constantFrom('9223372036854775807', '"a"', 'null', '-0.0', '1.10'), { maxLength: 3 })
    .map((values) => `[${values.join(',')}]`),
});

/** Members in any order, with white space wherever it is allowed. */
function object(members: readonly (readonly [string, string])[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.shuffledSubarray([...members], { minLength: members.length }),
      fc.array(blanks(), { minLength: 4 * members.length, maxLength: 4 * members.length }),
    )
    .map(([shuffled, gaps]) => {
      const parts = shuffled.map(([name, value], i) => {
        const [a, b, c, d] = gaps.slice(i * 4, i * 4 + 4);
        return `${a ?? ''}${JSON.stringify(name)}${b ?? ''}:${c ?? ''}${value}${d ?? ''}`;
      });
      return `{${parts.join(',')}}`;
    });
}

function response(hits: readonly RawHit[]): fc.Arbitrary<string> {
  return fc
    .tuple(
      ...hits.map(({ id, index, source, sort }) =>
        object([
          ['_index', JSON.stringify(index)],
          ['_id', JSON.stringify(id)],
          ['_score', 'null'],
          ['_source', source],
          ['_ignored', '["}","]"]'],
          ['sort', sort],
        ]),
      ),
    )
    .chain((texts) =>
      object([
        ['total', `{"value":${texts.length},"relation":"eq"}`],
        ['max_score', 'null'],
        ['hits', `[${texts.join(',')}]`],
      ]),
    )
    .chain((inner) =>
      object([
        ['took', '1'],
        ['timed_out', 'false'],
        ['pit_id', '"pit=="'],
        ['_shards', '{"total":3,"successful":3,"skipped":2,"failed":0}'],
        ['hits', inner],
      ]),
    );
}

const answer = fc
  .array(rawHit, { maxLength: 4 })
  .chain((hits) => response(hits).map((text) => ({ hits, text })));

const plain = ({ id, index, source, sort }: Hit) => ({
  id,
  index,
  source: source?.toString('latin1'),
  sort,
});
const bytesOf = (hits: readonly RawHit[]) =>
  hits.map((hit) => ({
    ...hit,
    source: Buffer.from(hit.source)
      .toString('latin1')
      .replaceAll(/[\r\n]/g, ' '),
  }));

function refusal(body: Buffer): unknown {
  try {
    parseSearch(body);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('sources are cut out', () => {
  test('property: byte for byte but for line ends, whatever they hold and whatever stands around them', () => {
    fc.assert(
      fc.property(answer, ({ hits, text }) => {
        const parsed = parseSearch(Buffer.from(text));
        expect(parsed.hits.map(plain)).toEqual(bytesOf(hits));
        expect(parsed.total).toBe(hits.length);
        expect(parsed.pitId).toBe('pit==');
      }),
      { numRuns: 500 },
    );
  });

  test('the generator writes JSON', () => {
    fc.assert(
      fc.property(answer, ({ text }) => {
        JSON.parse(text);
      }),
    );
  });

  test('from objects and arrays in each other 100 and 100,000 deep', () => {
    for (const depth of [100, 100_000]) {
      const source = nested(depth);
      const text = `{"hits":{"hits":[{"_index":"i","_id":"a","_source":${source}}]}}`;
      expect(parseSearch(Buffer.from(text)).hits[0]?.source?.toString()).toBe(source);
    }
  });

  test('from a document of 50 MB', () => {
    const piece = `{"text":"${'\\"}]é'.repeat(50)}","n":1.10,"list":[1e400, {}],\n"_source":{"hits":[]}}`;
    const source = Buffer.from(`{"all":[${Array(170_000).fill(piece).join(',')}]}`);
    expect(source.length).toBeGreaterThan(50e6);
    const body = Buffer.concat([
      Buffer.from('{"hits":{"hits":[{"_index":"i","_id":"a","_source":'),
      source,
      Buffer.from('}]}}'),
    ]);
    putOnOneLine(source);
    expect(parseSearch(body).hits[0]?.source?.equals(source)).toBe(true);
  });
});

describe('an answer that is cut off', () => {
  test('property: is refused, wherever it is cut', () => {
    fc.assert(
      fc.property(answer, ({ text }) => {
        const whole = Buffer.from(text);
        for (let length = 0; length < whole.length; length += 1) {
          const error = refusal(whole.subarray(0, length));
          if (!isFault(error) || error.class !== 'retriable' || error.code !== 'malformed_answer') {
            throw new Error(`cut after ${length} of ${whole.length} bytes: ${String(error)}`);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test('is whole where only white space behind it is missing, and refused where more follows', () => {
    const text = '{"hits":{"hits":[]}}';
    expect(refusal(Buffer.from(`${text} \n`))).toBeUndefined();
    expect(refusal(Buffer.from(`${text}{`))).toMatchObject({ code: 'malformed_answer' });
    expect(refusal(Buffer.from(`${text},`))).toMatchObject({ code: 'malformed_answer' });
  });
});

describe('an answer in pieces', () => {
  test('property: is the same, split at every byte and at any', async () => {
    await fc.assert(
      fc.asyncProperty(answer, fc.integer({ min: 1, max: 9 }), async ({ hits, text }, step) => {
        const whole = Buffer.from(text);
        const pieces = [];
        for (let i = 0; i < whole.length; i += step) pieces.push(whole.subarray(i, i + step));
        const body = await collect(Readable.from(pieces), { maxBytes: whole.length });
        if (body === 'too-large') throw new Error('it is exactly as long as allowed');
        expect(parseSearch(body).hits.map(plain)).toEqual(bytesOf(hits));
        const maxBytes = whole.length - 1;
        expect(await collect(Readable.from(pieces), { maxBytes })).toBe('too-large');
        let length: number | undefined;
        const beyond = (bytes: number) => (length = bytes);
        expect(await collect(Readable.from(pieces), { maxBytes, beyond })).toBe('too-large');
        expect(length).toBe(whole.length);
      }),
      { numRuns: 60 },
    );
  });

  test('too long a stream is destroyed where the limit is passed', async () => {
    let sent = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          sent += 1;
          yield Buffer.alloc(1000);
        }
      })(),
      { highWaterMark: 1 },
    );
    expect(await collect(endless, { maxBytes: 10_000 })).toBe('too-large');
    expect(endless.destroyed).toBe(true);
    expect(sent).toBeLessThan(20);
  });
});

describe('an answer that is short though it says 200', () => {
  const hits = '"hits":{"hits":[]}';
  test.each([
    [
      'a failed shard',
      `{${hits},"_shards":{"total":2,"successful":1,"failed":1}}`,
      'shard_failure',
    ],
    [
      'a failed shard that says why',
      `{"_shards":{"failed":1,"failures":[{"reason":{"type":"circuit_breaking_exception"}}]},${hits}}`,
      'circuit_breaking_exception',
    ],
    [
      'a silent shard',
      `{${hits},"_shards":{"total":2,"successful":1,"failed":0}}`,
      'shard_failure',
    ],
    ['a skipped cluster', `{${hits},"_clusters":{"total":2,"skipped":1}}`, 'cluster_skipped'],
    ['a timeout', `{"timed_out":true,${hits}}`, 'timed_out'],
    ['an early end', `{"terminated_early":true,${hits}}`, 'terminated_early'],
    ['no hits', '{"took":1}', 'malformed_answer'],
    [
      'a bound for a count',
      '{"hits":{"total":{"value":10000,"relation":"gte"},"hits":[]}}',
      'malformed_answer',
    ],
    ['a hit without _id', '{"hits":{"hits":[{"_index":"i","_source":{}}]}}', 'malformed_answer'],
    ['another kind of JSON', '[]', 'malformed_answer'],
    ['hits that are none', '{"hits":{"total":null,"hits":[]}}', 'malformed_answer'],
    ['hits that are a number', '{"hits":1}', 'malformed_answer'],
    ['no JSON', '<html>', 'malformed_answer'],
  ])('%s', (_, body, code) => {
    expect(refusal(Buffer.from(body))).toMatchObject({ name: 'Fault', class: 'retriable', code });
  });

  test('a total as a bare number is exact', () => {
    expect(parseSearch(Buffer.from('{"hits":{"total":7,"hits":[]}}')).total).toBe(7);
  });
});

describe('a source on one line', () => {
  test('property: each CR and LF is a space, every other byte stays, and the value is the same', () => {
    fc.assert(
      fc.property(rawJson, (text) => {
        const before = Buffer.from(text);
        const after = Buffer.from(before);
        putOnOneLine(after);
        const expected = [...before].map((byte) => (byte === 10 || byte === 13 ? 32 : byte));
        expect([...after]).toEqual(expected);
        expect(JSON.parse(after.toString())).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  test('CR, LF and CRLF between tokens', () => {
    const text = Buffer.from('{\r\n "a":\r1,\n"b":"\\r\\n\u2028"}');
    putOnOneLine(text);
    expect(text.toString()).toBe('{   "a": 1, "b":"\\r\\n\u2028"}');
  });
});
