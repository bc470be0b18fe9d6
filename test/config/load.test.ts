import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { load, MINIMAL, problems, problemsWith, workspace } from './workspace.js';

describe('defaults', () => {
  test('a minimal file gives the defaults of the contract', () => {
    const { settings, warnings, describedBy } = load();
    expect(settings).toMatchObject({
      source: { urls: ['http://localhost:9200'], insecure: false, related: [] },
      tracking: {
        host: 'localhost',
        port: 3306,
        user: 'es_migrate',
        password: '',
        database: 'es_migrate',
      },
      target: {
        kind: 's3',
        bucket: 'bucket',
        prefix: 'prefix',
        layout: 'message',
        forcePathStyle: false,
      },
      settleMs: 900_000,
      batchSize: 500,
      concurrency: 4,
      maxAttempts: 5,
      leaseSeconds: 300,
      retryForMs: 120_000,
      limits: {
        sourceRequestsPerSecond: 50,
        sourceLoad: 0.1,
        sourceLatencyTargetMs: 2_000,
        uploads: 512,
        maxInFlightBytes: 268_435_456,
      },
    });
    expect(warnings).toEqual([]);
    expect(describedBy).toBe('es-migrate.yaml');
  });

  test('every key of the contract arrives', () => {
    const yaml = `
source:
  url: [https://a:9200, https://b:9200/path/]
  apiKey: k1
  index: messages-*
  dateField: at
  filter: { term: { channel: sms } }
  related:
    history: { index: h, key: message_id, sort: at }
    audit: { index: a, key: message_id }
tracking: { url: 'mysql://u%40x:p%2Fw@[::1]:3307/db', tls: { insecure: false } }
target:
  url: s3://bucket/a/b/
  region: eu-west-1
  endpoint: http://127.0.0.1:9000
  forcePathStyle: true
  layout: batch
  requesterPays: true
  bucketOwner: '012345678901'
  encryption: { type: sse-kms, keyId: k }
queue: { url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q', region: eu-west-1 }
monitor:
  metricsNamespace: es-migrate/prod
  logGroup: /es-migrate
  alertTopic: arn:aws:sns:eu-west-1:123456789012:alerts
  alertFailureRate: 2.5%
  region: eu-west-1
startDate: 2024-10-01
settle: 1h
batchSize: 10000
concurrency: 1
maxAttempts: 1
leaseSeconds: 5
retryFor: 500ms
limits: { sourceRequestsPerSecond: 0, sourceLoad: 0.5, sourceLatencyTarget: 750ms, uploads: 64, maxInFlightBytes: 1GiB }
`;
    expect(load({ files: { 'es-migrate.yml': yaml } }).settings).toEqual({
      source: {
        urls: ['https://a:9200', 'https://b:9200/path'],
        auth: { apiKey: 'k1' },
        insecure: false,
        index: 'messages-*',
        dateField: 'at',
        filter: '{"term":{"channel":"sms"}}',
        related: [
          {
            name: 'history',
            index: 'h',
            join: [{ key: 'message_id', on: '_id' }],
            sort: 'at',
            optional: false,
            probe: true,
          },
          {
            name: 'audit',
            index: 'a',
            join: [{ key: 'message_id', on: '_id' }],
            optional: false,
            probe: true,
          },
        ],
      },
      tracking: {
        host: '::1',
        port: 3307,
        user: 'u@x',
        password: 'p/w',
        database: 'db',
        tls: { insecure: false },
      },
      target: {
        kind: 's3',
        bucket: 'bucket',
        prefix: 'a/b',
        region: 'eu-west-1',
        endpoint: 'http://127.0.0.1:9000',
        forcePathStyle: true,
        insecure: false,
        layout: 'batch',
        requesterPays: true,
        bucketOwner: '012345678901',
        encryption: { type: 'sse-kms', keyId: 'k' },
      },
      queue: {
        url: 'https://sqs.eu-west-1.amazonaws.com/123456789012/q',
        region: 'eu-west-1',
      },
      monitor: {
        metricsNamespace: 'es-migrate/prod',
        logGroup: '/es-migrate',
        alertTopic: 'arn:aws:sns:eu-west-1:123456789012:alerts',
        alertFailureRate: 0.025,
        region: 'eu-west-1',
      },
      startDate: '2024-10-01',
      settleMs: 3_600_000,
      batchSize: 10_000,
      concurrency: 1,
      maxAttempts: 1,
      leaseSeconds: 5,
      retryForMs: 500,
      limits: {
        sourceRequestsPerSecond: 0,
        sourceLoad: 0.5,
        sourceLatencyTargetMs: 750,
        uploads: 64,
        maxInFlightBytes: 1_073_741_824,
      },
    });
  });
});

test('of a section, the environment overrides only the keys it names', () => {
  const yaml = `${MINIMAL}queue: { url: 'https://queue.example/q/q', region: eu-west-1 }
monitor: { logGroup: /a, metricsNamespace: a }
`;
  const env = { ES_MIGRATE_QUEUE_REGION: 'us-east-1', ES_MIGRATE_MONITOR_LOG_GROUP: '/b' };
  expect(load({ files: { 'es-migrate.yaml': yaml }, env }).settings).toMatchObject({
    queue: { url: 'https://queue.example/q/q', region: 'us-east-1' },
    monitor: { logGroup: '/b', metricsNamespace: 'a', alertFailureRate: 0.05 },
  });
});

test.each([
  ['metricsNamespace: AWS/own', 'a namespace of CloudWatch metrics'],
  ['logGroup: "a b"', 'a log group of CloudWatch Logs'],
  ['alertTopic: alerts', 'the ARN of an SNS topic'],
  ['alertFailureRate: 5', 'a share of all messages, such as 5% or 0.05'],
  ['alertFailureRate: 0%', 'a share of all messages, such as 5% or 0.05'],
])('no monitoring by %s', (line, expected) => {
  expect(problemsWith(`monitor: { ${line} }\n`).join()).toContain(`is not ${expected}`);
});

test.each([
  ['{ sourceRequestsPerSecond: 500 }', 0.1],
  ['{ sourceRequestsPerSecond: 0 }', 0],
  ['{ sourceRequestsPerSecond: 0, sourceLoad: 0.3 }', 0.3],
  ['{ sourceLoad: 0 }', 0],
  ['{ sourceLatencyTarget: 1s }', 0.1],
])('a load is kept to unless no limit is wanted: limits %s, load %s', (limits, expected) => {
  const yaml = `${MINIMAL}limits: ${limits}\n`;
  const { settings } = load({ files: { 'es-migrate.yaml': yaml } });
  expect(settings.limits.sourceLoad).toBe(expected);
});

describe('precedence', () => {
  test('flags over environment over file', () => {
    const files = { 'es-migrate.yaml': `${MINIMAL}batchSize: 1\nconcurrency: 1\nmaxAttempts: 1\n` };
    const env = { ES_MIGRATE_BATCH_SIZE: '2', ES_MIGRATE_CONCURRENCY: '2' };
    const { settings } = load({ files, env, flags: { batchSize: '3' } });
    expect(settings).toMatchObject({ batchSize: 3, concurrency: 2, maxAttempts: 1 });
  });

  test('a section is merged key by key', () => {
    const { settings } = load({
      env: { ES_MIGRATE_TARGET_LAYOUT: 'batch', ES_MIGRATE_SOURCE_INDEX: 'other' },
    });
    expect(settings.target).toMatchObject({ bucket: 'bucket', layout: 'batch' });
    expect(settings.source).toMatchObject({ index: 'other', dateField: 'timestamp' });
  });

  test('the environment alone is enough', () => {
    const env = {
      ES_MIGRATE_SOURCE_URL: 'http://a:9200,http://b:9200',
      ES_MIGRATE_SOURCE_INDEX: 'i',
      ES_MIGRATE_SOURCE_DATE_FIELD: 'd',
      ES_MIGRATE_TRACKING_URL: 'mysql://u:p@h/d?socketPath=/run/s.sock',
      ES_MIGRATE_TRACKING_TLS_INSECURE: 'true',
      ES_MIGRATE_TARGET_URL: 'file:///srv/my%20export/',
      ES_MIGRATE_LIMITS_MAX_IN_FLIGHT_BYTES: '1048576',
      ES_MIGRATE_RETRY_FOR: '',
      ES_MIGRATE_SANDBOX_CACHE: 'x',
      ES_MIGRATE_TEST_ANYTHING: 'x',
    };
    const { settings } = load({ files: {}, env });
    expect(settings.source.urls).toEqual(['http://a:9200', 'http://b:9200']);
    expect(settings.tracking).toMatchObject({ socketPath: '/run/s.sock', tls: { insecure: true } });
    expect(settings.target).toEqual({
      kind: 'file',
      directory: '/srv/my export',
      layout: 'message',
    });
    expect(settings.limits.maxInFlightBytes).toBe(1_048_576);
    expect(settings.retryForMs).toBe(120_000);
  });

  test('--config wins over the working directory, and its paths are relative to itself', () => {
    const other = workspace({ 'my.json': JSON.stringify({ batchSize: 7 }), secret: 'from file\n' });
    const configPath = join(other, 'my.json');
    const env = {
      ES_MIGRATE_TRACKING_URL: 'mysql://u@h/d',
      ES_MIGRATE_TRACKING_PASSWORD_FILE: join(other, 'secret'),
    };
    const { settings } = load({ env, configPath, needs: { source: false, target: false } });
    expect(settings).toMatchObject({ batchSize: 7, tracking: { password: 'from file' } });
    expect(settings.target).toBeUndefined();
  });

  test('of several files the first counts, and the others are warned about', () => {
    const files = { 'es-migrate.yaml': MINIMAL, 'es-migrate.json': '{"batchSize":1}' };
    const { settings, warnings } = load({ files });
    expect(settings.batchSize).toBe(500);
    expect(warnings).toEqual(['es-migrate.json is not read: es-migrate.yaml comes first']);
  });
});

describe('what a command needs', () => {
  const tracking = { 'es-migrate.yaml': 'tracking: { url: mysql://u@h/d }' };

  test('is demanded, all of it at once', () => {
    const lines = problems({ files: tracking });
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      'source.url',
      'source.index',
      'source.dateField',
      'target.url',
    ]);
    expect(lines[0]).toContain('ES_MIGRATE_SOURCE_URL');
  });

  test('and nothing else', () => {
    const { settings } = load({ files: tracking, needs: { source: false, target: false } });
    expect(settings.source.urls).toEqual([]);
  });

  test('nothing configured: one line that says how to begin', () => {
    const lines = problems({ files: {} });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('es-migrate.yaml');
    expect(lines[0]).toContain('es-migrate demo');
  });
});

describe('problems', () => {
  test('all of them at once, with line, key and what is allowed', () => {
    const files = {
      'es-migrate.yaml': `source:
  url: ftp://x
  indx: messages
  dateField: 5
  caFile: nowhere.pem
tracking:
  url: mysql://u@h/d
target: { url: s3://bucket }
batchSize: 0
settle: 15
concurency: 3
retryFor:
limits: 5
`,
    };
    const env = { ES_MIGRATE_TRAKING_URL: 'x', ES_MIGRATE_SOURCE_INSECURE: 'yes' };
    const lines = problems({ files, env, flags: { batchSize: '10001' } });
    expect(lines.map((line) => line.replace(/ \/\S*\//, ' …/')).sort()).toEqual(
      [
        'es-migrate.yaml:2: source.url: is not an http or https URL; give http(s)://host:9200, or a list of them',
        'es-migrate.yaml:3: source.indx: unknown key; did you mean source.index?',
        'es-migrate.yaml:4: source.dateField: 5 must be put in quotes',
        'es-migrate.yaml:5: source.caFile: …/nowhere.pem does not exist',
        'es-migrate.yaml:9: batchSize: 0 is not allowed; give a whole number from 1 to 10,000',
        'es-migrate.yaml:10: settle: 15 is not a duration such as 500ms, 90s, 15m, 2h or 1d',
        'es-migrate.yaml:11: concurency: unknown key; did you mean concurrency?',
        'es-migrate.yaml:12: retryFor: has no value',
        'es-migrate.yaml:13: limits: must be a section with keys such as sourceRequestsPerSecond, sourceLoad, sourceLatencyTarget',
        'ES_MIGRATE_TRAKING_URL: unknown variable; did you mean ES_MIGRATE_TRACKING_URL?',
        'ES_MIGRATE_SOURCE_INSECURE: source.insecure: "yes" is not allowed; give true or false',
        '--batch-size: batchSize: "10001" is not allowed; give a whole number from 1 to 10,000',
        'source.index: is not set; give it in the configuration file or by ES_MIGRATE_SOURCE_INDEX',
      ].sort(),
    );
  });

  test.each([
    ['batchSize: 10001', 'batchSize'],
    ['batchSize: 1.5', 'batchSize'],
    ['batchSize: many', 'batchSize'],
    ['concurrency: 0', 'concurrency'],
    ['maxAttempts: 0', 'maxAttempts'],
    ['leaseSeconds: 0', 'leaseSeconds'],
    ['settle: 31d', 'settle'],
    ['settle: -1s', 'settle'],
    ['retryFor: 2 weeks', 'retryFor'],
    ['startDate: 2024-02-30', 'startDate'],
    ['startDate: 2024', 'startDate'],
    ['limits: { sourceRequestsPerSecond: -1 }', 'limits.sourceRequestsPerSecond'],
    ['limits: { sourceLoad: -0.1 }', 'limits.sourceLoad'],
    ['limits: { sourceLoad: most }', 'limits.sourceLoad'],
    ['limits: { sourceLatencyTarget: 2 }', 'limits.sourceLatencyTarget'],
    ['limits: { sourceLatencyTarget: 1h }', 'limits.sourceLatencyTarget'],
    ['  encryption: { type: aws }', 'target.encryption.type'],
    ['  requesterPays: maybe', 'target.requesterPays'],
    ['  mode: "0640"', 'target.mode'],
    ['  bucketOwner: 123456789012', 'target.bucketOwner'],
    ["  bucketOwner: '12345678901'", 'target.bucketOwner'],
    ['limits: { uploads: -1 }', 'limits.uploads'],
    ['limits: { uploads: 4097 }', 'limits.uploads'],
    ['limits: { uploads: 1.5 }', 'limits.uploads'],
    ['limits: { maxInFlightBytes: 5 bytes }', 'limits.maxInFlightBytes'],
    ['limits: { maxInFlight: 5 }', 'limits.maxInFlight'],
    ['apiKey: x', 'apiKey'],
    ['tracking.url: x', 'tracking.url'],
  ])('%s', (yaml, key) => {
    const lines = problemsWith(`${yaml}\n`);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`es-migrate.yaml:9: ${key}: `);
  });

  const toFiles = (mode: string) =>
    `${MINIMAL.replace('s3://bucket', 'file:///srv')}  mode: ${mode}\n`;

  test.each([
    ['"0640"', 0o640],
    ['"600"', 0o600],
    ['"0o664"', 0o664],
  ])('target.mode %s of a directory', (text, mode) => {
    const { settings } = load({ files: { 'es-migrate.yaml': toFiles(text) } });
    expect(settings.target).toMatchObject({ kind: 'file', mode });
  });

  test.each([
    ['0640', 'is not a file mode in quotes'],
    ['"0480"', 'three octal digits'],
    ['"01777"', 'three octal digits'],
    ['"rw-r-----"', 'three octal digits'],
    ['"0440"', 'reading or writing'],
    ['"0750"', 'executable'],
    ['"0666"', 'lets every user change'],
  ])('target.mode %s is refused: %s', (text, message) => {
    const files = { 'es-migrate.yaml': toFiles(text) };
    expect(problems({ files })).toEqual([
      expect.stringMatching(new RegExp(`^es-migrate.yaml:9: target.mode: .*${message}`)),
    ]);
  });

  test('a key of another section is found there', () => {
    expect(problemsWith('apiKey: x\n')).toEqual([
      'es-migrate.yaml:9: apiKey: unknown key; did you mean source.apiKey?',
    ]);
  });

  test.each([
    ['a: [1, 2', 'es-migrate.yaml:1'],
    ['source: 1\nsource: 2', 'es-migrate.yaml:2'],
    ['source:\n\turl: x', 'es-migrate.yaml:2'],
    ['just text', 'es-migrate.yaml:1'],
    ['- a list', 'es-migrate.yaml:1'],
  ])('a malformed file: %j', (text, where) => {
    expect(
      problems({ files: { 'es-migrate.yaml': text }, needs: { source: false, target: false } })[0],
    ).toContain(where);
  });

  test('JSON has to be JSON', () => {
    expect(
      problems({ files: { 'es-migrate.json': '{"batchSize": 1, // comment\n}' } })[0],
    ).toContain('es-migrate.json');
    expect(problems({ files: { 'es-migrate.json': '{"batchSize": 1,}' } })).toEqual([
      'es-migrate.json: is not JSON (perhaps a comment, a trailing comma or a missing quote)',
    ]);
    expect(problems({ files: { 'es-migrate.json': '{\n\t"batchSize": 0\n}' } })[0]).toContain(
      'es-migrate.json:2: batchSize',
    );
  });

  test('a file that is not there, a folder', () => {
    expect(problems({ configPath: 'nope.yaml' })[0]).toMatch(
      /--config: there is no file .*nope\.yaml/,
    );
    expect(problems({ configPath: '.' })[0]).toContain('is a directory');
  });
});

test.each(['sse-c', 'SSE-C', 'ssec'])('customer keys (%s) are refused by name', (type) => {
  expect(problemsWith(`  encryption: { type: ${type} }\n`).join('\n')).toMatch(
    /target\.encryption\.type: is sse-c: .* not supported; give sse-kms .*, or sse-s3/,
  );
});

test('concurrency beyond use is taken down, with a warning', () => {
  const { settings, warnings } = load({ flags: { concurrency: '1000' } });
  expect(settings.concurrency).toBe(256);
  expect(warnings).toEqual(['concurrency: 1000 is more than is of use; 256 is taken']);
});

test('certificates that are not checked are warned about, each of them', () => {
  const env = {
    ES_MIGRATE_SOURCE_INSECURE: 'true',
    ES_MIGRATE_TRACKING_TLS_INSECURE: 'true',
    ES_MIGRATE_TARGET_INSECURE: 'true',
  };
  const { settings, warnings } = load({ env });
  expect(settings.source.insecure).toBe(true);
  expect(warnings.map((line) => line.split(' ')[0])).toEqual([
    'target.insecure',
    'source.insecure',
    'tracking.tls.insecure',
  ]);
});
