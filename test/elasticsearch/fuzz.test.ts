import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSearch } from '../../src/core/elasticsearch/answer.js';
import { isFault } from '../../src/core/fault.js';
import { expectedHits, type OracleAnswer } from './answer-oracle.js';
import { blanks, rawJson, rawObject } from './raw-json.js';

/** Given by `npm run fuzz -- --minutes N`; without it, the same answers each time, for some seconds. */
const minutes = Number(process.env['FUZZ_MINUTES'] ?? 0);
const RUNS = 4_000;

/** What Elasticsearch answers, with documents as strangers may have sent them. */
const REAL = [
  '{"took":3,"timed_out":false,"_shards":{"total":2,"successful":2,"skipped":0,"failed":0},"hits":{"total":{"value":2,"relation":"eq"},"max_score":null,"hits":[{"_index":"messages","_id":"a/1","_score":null,"_seq_no":17,"_primary_term":1,"_source":{"text":"x\\u00e4\\"}]","n":1.10,"big":9007199254740993,"list":[1e400,{},[]]},"fields":{"tenant":["t1"],"n":[1,2]},"sort":[1700000000000,"a"]},{"_index":"messages","_id":"b","_ignored":["x"],"_source": {\n "a": true\r\n},"sort":[null,4]}]}}',
  '{"pit_id":"46ToAwMDaWR5","took":0,"timed_out":false,"terminated_early":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"hits":[{"_index":"m","_id":"1","sort":[5]},{"_index":"m","_id":"2","sort":[9]}]}}',
  '{"hits":{"total":1,"hits":[{"_index":"m","_id":"c","_source":/* } */{"a":1, // "\n"b":2 /* ] */}/* x */}]}}',
];

const part = fc.oneof(
  fc.constantFrom(
    ...[
      '"_id":"z"',
      '"_source":{}',
      '"_source":null',
      '"_source":[{}]',
      '"hits":[]',
      '"__proto__":{}',
    ],
    ...[
      '"\\ud800"',
      '"\\ud83d\\ude00"',
      '1e99999',
      '-',
      '01',
      '1.',
      '.5',
      '+1',
      'NaN',
      'nul',
      'truex',
    ],
    ...[
      '/*',
      '*/',
      '//',
      '/**/',
      '\n',
      '\r',
      '\t',
      ' ',
      '\u0000',
      '\u0001',
      '\u007f',
      '\ufeff',
      '\\',
    ],
    ...['{', '}', '[', ']', ',', ':', '"', '{}', '[]', '""', ',,', '"_index":"i"', '"sort":{}'],
    ...['"took":-1', '"took":1e400', '"_shards":null', '"timed_out":1', '"fields":{"a":1}'],
  ),
  rawJson,
);
/** Also bytes that are no UTF-8: half a character, too long a form, half a surrogate pair, none at all. */
const bytes = fc.oneof(
  { weight: 4, arbitrary: part.map((text) => Buffer.from(text)) },
  fc
    .constantFrom([0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xff], [0xf5, 0x80, 0x80, 0x80])
    .map((list) => Buffer.from(list)),
);

const generated = fc
  .array(fc.tuple(fc.constantFrom('a', 'ä', '', '\\ud83d'), rawObject, blanks(), fc.boolean()), {
    maxLength: 3,
  })
  .map((hits) => {
    const texts = hits.map(
      ([id, source, gap, swapped]) =>
        `{${[`"_id":"${id}"`, `"_index":${gap}"i"`, `"_source":${gap}${source}`][swapped ? 'reverse' : 'slice']().join(`,${gap}`)}}`,
    );
    return `{"hits":{"hits":[${texts.join(',')}]}}`;
  });

/** Where, as a share of the length; how many bytes are taken out; what is put there. */
const change = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  out: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat({ max: 40 })),
  put: fc.oneof(bytes, fc.constant(Buffer.alloc(0)), fc.constant('again' as const)),
});

const answers = fc
  .tuple(fc.oneof(fc.constantFrom(...REAL), generated), fc.array(change, { maxLength: 4 }))
  .map(([text, changes]) => {
    let body = Buffer.from(text);
    for (const { at, out, put } of changes) {
      const start = Math.floor(at * body.length);
      const end = Math.min(body.length, start + out);
      const middle = put === 'again' ? body.subarray(start, end) : put;
      const kept = put === 'again' ? end : start;
      body = Buffer.concat([body.subarray(0, kept), middle, body.subarray(end)]);
    }
    return body;
  });

/** Anything else than these two faults is a crash, and fails the test. */
function found(body: Buffer): OracleAnswer {
  try {
    return parseSearch(body).hits.map((hit) => ({
      id: hit.id,
      index: hit.index,
      source: hit.source?.toString('latin1'),
      sort: hit.sort,
    }));
  } catch (error) {
    if (isFault(error) && error.code === 'unreadable_document') return 'unreadable';
    if (isFault(error) && error.class === 'retriable') return undefined;
    throw error;
  }
}

test(
  'whatever bytes come, the scanner finds what another parser finds, or refuses them as that does',
  () => {
    let accepted = 0;
    fc.assert(
      fc.property(answers, (body) => {
        const expected = expectedHits(body);
        if (Array.isArray(expected)) accepted += 1;
        // Which of two things wrong with an answer is seen first is not compared.
        const refused = (answer: OracleAnswer) => (answer === 'unreadable' ? undefined : answer);
        expect(refused(found(Buffer.from(body)))).toEqual(refused(expected));
      }),
      minutes > 0
        ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: minutes * 60_000 }
        : { numRuns: RUNS, seed: 19 },
    );
    // Or it would compare nothing but refusals.
    expect(accepted).toBeGreaterThan(RUNS / 20);
  },
  minutes * 60_000 + 120_000,
);
