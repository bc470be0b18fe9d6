import fc from 'fast-check';
import { parseDocument, type Node } from 'yaml';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/config/durations.js';
import { toJsonText } from '../../src/config/json-text.js';
import { nearest } from '../../src/config/nearest.js';
import { parseSize } from '../../src/config/sizes.js';
import {
  parseQueueUrl,
  parseSourceUrls,
  parseTargetUrl,
  parseTrackingUrl,
} from '../../src/config/urls.js';
import { variableOf, variables } from '../../src/config/environment.js';
import { load, MINIMAL, problems, problemsWith, workspace } from './workspace.js';

test.each([
  ['500ms', 500],
  ['90s', 90_000],
  ['15m', 900_000],
  ['2h', 7_200_000],
  ['1d', 86_400_000],
  ['1.5h', 5_400_000],
  ['0', 0],
  ['0s', 0],
  ['15', undefined],
  ['m', undefined],
  ['-1s', undefined],
  ['1w', undefined],
  ['1h30m', undefined],
  ['1e3s', undefined],
  ['', undefined],
])('duration %j', (text, expected) => expect(parseDuration(text)).toBe(expected));

test.each([
  ['256MiB', 268_435_456],
  ['1GiB', 1_073_741_824],
  ['1 KiB', 1024],
  ['1KB', 1000],
  ['1.5KiB', 1536],
  ['0', 0],
  ['42', 42],
  ['42B', 42],
  ['1.5', undefined],
  ['-1', undefined],
  ['1TiB', undefined],
  ['256mib', undefined],
  ['', undefined],
])('size %j', (text, expected) => expect(parseSize(text)).toBe(expected));

describe('URLs', () => {
  test.each([
    'https://sqs.eu-west-1.amazonaws.com/123456789012/es-migrate',
    'http://127.0.0.1:9324/000000000000/q',
  ])('queue %s', (text) => expect(parseQueueUrl(text)).toBe(text));

  test.each([
    ['es-migrate', 'http or https URL'],
    ['sqs://queue', 'http or https URL'],
    ['arn:aws:sqs:eu-west-1:123456789012:es-migrate', 'http or https URL'],
    ['https://sqs.eu-west-1.amazonaws.com/', 'names no queue'],
    ['https://sqs.eu-west-1.amazonaws.com/es-migrate', 'names no queue'],
    ['https://sqs.eu-west-1.amazonaws.com/123456789012/q?x=1', 'names no queue'],
    ['https://key:secret@sqs.eu-west-1.amazonaws.com/123456789012/q', 'has credentials'],
    ['https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo', 'FIFO'],
  ])('no queue: %s', (text, message) => {
    expect(parseQueueUrl(text)).toEqual({ wrong: expect.stringContaining(message) as string });
  });

  test.each([
    ['s3://bucket', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://bucket/', { kind: 's3', bucket: 'bucket', prefix: '' }],
    ['s3://my.bucket-1/a/b c/', { kind: 's3', bucket: 'my.bucket-1', prefix: 'a/b c' }],
    ['file:///srv/export', { kind: 'file', directory: '/srv/export' }],
    ['file:///srv/export//', { kind: 'file', directory: '/srv/export' }],
    ['file:///a%20b%25', { kind: 'file', directory: '/a b%' }],
    ['file://localhost/srv', { kind: 'file', directory: '/srv' }],
  ])('target %s', (text, expected) => expect(parseTargetUrl(text)).toEqual(expected));

  test.each([
    ['s3://', 'bucket'],
    ['s3://B/x', 'bucket'],
    ['s3://bucket--use1-az4--x-s3/a', 'directory bucket'],
    ['s3://bucket/a//b', 'prefix'],
    ['s3://bucket/a/../b', 'prefix'],
    ['s3://bucket/a\u0001', 'control character'],
    ['file://rel/path', 'file:///absolute/directory'],
    ['file:rel', 'file:///absolute/directory'],
    ['file://./x', 'file:///absolute/directory'],
    ['/srv/export', 'write file:///srv/export'],
    ['./export', 'neither'],
    ['https://bucket.s3.amazonaws.com', 'neither'],
    ['file:///a%zz', '%25'],
    ['file:///a?b', '%3F'],
  ])('target %s is refused', (text, message) => {
    expect(parseTargetUrl(text)).toEqual({ wrong: expect.stringContaining(message) as string });
  });

  test.each([
    'mysql://h/d',
    'mysql://u@h',
    'mysql://u@h/',
    'mysql://u@h/a/b',
    'mysql://u@/d',
    'u@h/d',
    'http://u@h/d',
  ])('tracking %s is refused', (text) => expect(parseTrackingUrl(text)).toHaveProperty('wrong'));

  test.each(['es:9200', 'es.example', 'http:es', 'file:///x', 'http://x?y', 'http://:p@x', ''])(
    'source %s is refused',
    (text) => expect(parseSourceUrls([text])).toHaveProperty('wrong'),
  );

  test('property: no text crashes a parser', () => {
    const scheme = fc.constantFrom('', 's3://', 'file://', 'mysql://', 'https://');
    fc.assert(
      fc.property(scheme, fc.string({ unit: 'binary' }), (start, rest) => {
        for (const parse of [
          parseTargetUrl,
          parseTrackingUrl,
          (text: string) => parseSourceUrls([text]),
        ])
          expect(parse(start + rest)).toBeTypeOf('object');
      }),
    );
  });
});

describe('the filter', () => {
  const filterOf = (yaml: string) =>
    load({ files: { 'es-migrate.yaml': MINIMAL.replace('  index', `  filter: ${yaml}\n  index`) } })
      .settings.source.filter;

  test('keeps every digit', () => {
    expect(filterOf('{ term: { n: 9007199254740993, d: 1.10, e: 1e400, z: -0.0 } }')).toBe(
      '{"term":{"n":9007199254740993,"d":1.10,"e":1e400,"z":-0.0}}',
    );
  });

  test("YAML's own numbers become JSON's", () => {
    expect(filterOf('{ a: [0x20000000000001, 0o17, +1, .5, 5., -.5, 007] }')).toBe(
      '{"a":[9007199254740993,15,1,0.5,5,-0.5,7]}',
    );
  });

  test('anchors, strings, null, nesting', () => {
    expect(filterOf('{ a: &x { "b": "\\u00e9\\n" }, c: *x, d: null, 5: [true, "5", []] }')).toBe(
      '{"a":{"b":"é\\n"},"c":{"b":"é\\n"},"d":null,"5":[true,"5",[]]}',
    );
  });

  test('JSON files keep every digit, too', () => {
    const json = `{"source":{"filter":{"term":{"n":9007199254740993}}},"tracking":{"url":"mysql://u@h/d"}}`;
    const { settings } = load({
      files: { 'es-migrate.json': json },
      needs: { source: false, target: false },
    });
    expect(settings.source.filter).toBe('{"term":{"n":9007199254740993}}');
  });

  test('--filter is taken as it is, and wins', () => {
    const text = '\uFEFF {"term": {"n": 9007199254740993}}\n';
    const cwd = workspace({ 'es-migrate.yaml': MINIMAL, 'q.json': text });
    expect(load({ cwd, flags: { filter: 'q.json' } }).settings.source.filter).toBe(
      '{"term": {"n": 9007199254740993}}',
    );
  });

  test.each([
    ['{"term":', 'is not JSON'],
    ['', 'is not JSON'],
    ['[1]', 'holds JSON, but not a query'],
    ['"text"', 'holds JSON, but not a query'],
  ])('--filter with %j is refused', (text, message) => {
    const cwd = workspace({ 'es-migrate.yaml': MINIMAL, 'q.json': text });
    expect(problems({ cwd, flags: { filter: 'q.json' } })).toEqual([
      expect.stringContaining(`--filter: q.json ${message}`),
    ]);
  });

  test('--filter without such a file is refused', () => {
    expect(problems({ flags: { filter: 'q.json' } })).toEqual(['--filter: q.json does not exist']);
  });

  test.each(['5', 'text', '[1]', '{ a: .inf }', '&x { a: *x }'])('%s is refused', (yaml) => {
    const files = { 'es-migrate.yaml': MINIMAL.replace('  index', `  filter: ${yaml}\n  index`) };
    expect(problems({ files })).toEqual([
      expect.stringMatching(/^es-migrate\.yaml:3: source\.filter: /),
    ]);
  });

  test('property: any JSON value survives', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'medium' }), (value) => {
        const text = JSON.stringify(value);
        const document = parseDocument(text);
        expect(JSON.parse(toJsonText(document.contents as Node | null, document))).toEqual(
          JSON.parse(text),
        );
      }),
    );
  });
});

describe('related', () => {
  test.each(['message', 'index', 'message_id', '1st', 'a b'])('the name %s is refused', (name) => {
    const files = {
      'es-migrate.yaml': MINIMAL.replace(
        '  index',
        `  related:\n    ${name}: { index: a, key: b }\n  index`,
      ),
    };
    expect(problems({ files })).toEqual([expect.stringContaining(`source.related.${name}`)]);
  });

  test('__proto__ is refused, wherever it stands', () => {
    const files = {
      'es-migrate.yaml': MINIMAL.replace(
        '  index',
        '  related: { __proto__: { index: a, key: b } }\n  index',
      ),
    };
    expect(problems({ files })).toEqual([
      'es-migrate.yaml:3: __proto__: no key can have this name',
    ]);
  });

  test('each needs index and key', () => {
    const files = {
      'es-migrate.yaml': MINIMAL.replace(
        '  index',
        '  related: { history: { sort: at } }\n  index',
      ),
    };
    expect(problems({ files })).toEqual([
      'es-migrate.yaml:3: source.related.history.index: is not set',
      'es-migrate.yaml:3: source.related.history.key: is not set',
    ]);
  });
});

test('every scalar key has its variable', () => {
  expect(variableOf(['target', 'forcePathStyle'])).toBe('ES_MIGRATE_TARGET_FORCE_PATH_STYLE');
  expect(variables).toEqual(
    expect.arrayContaining([
      'ES_MIGRATE_SOURCE_URL',
      'ES_MIGRATE_SOURCE_API_KEY',
      'ES_MIGRATE_SOURCE_API_KEY_FILE',
      'ES_MIGRATE_SOURCE_CA_FILE',
      'ES_MIGRATE_TRACKING_TLS_CA_FILE',
      'ES_MIGRATE_TARGET_ENCRYPTION_KEY_ID',
      'ES_MIGRATE_LIMITS_SOURCE_REQUESTS_PER_SECOND',
      'ES_MIGRATE_START_DATE',
    ]),
  );
  expect(variables.filter((name) => /FILTER|RELATED/.test(name))).toEqual([]);
});

test('the nearest word, if it is near', () => {
  expect(nearest('indx', ['url', 'index'])).toBe('index');
  expect(nearest('BATCHSIZE', ['batchSize'])).toBe('batchSize');
  expect(nearest('colour', ['url', 'index'])).toBeUndefined();
});

test('unknown keys in a section without a near one list what is allowed', () => {
  expect(problemsWith('limits: { colour: 1 }\n')).toEqual([
    'es-migrate.yaml:9: limits.colour: unknown key; allowed here: sourceRequestsPerSecond, sourceLoad, sourceLatencyTarget, uploads, maxInFlightBytes',
  ]);
});
