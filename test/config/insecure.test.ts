import tls from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { ignoredVariables } from '../../src/config/ignored-variables.js';
import { restoreTlsDefaults } from '../../src/host/tls-defaults.js';
import { load, MINIMAL, problems } from './workspace.js';

const ELSEWHERE = MINIMAL.replace('@localhost/', '@db.example/');
const tracking = (more: string) => ELSEWHERE.replace('target:', `  ${more}\ntarget:`);
const loaded = (yaml: string, env: Record<string, string> = {}) =>
  load({ files: { 'es-migrate.yaml': yaml, 'ca.pem': '' }, env });
const problemsOf = (yaml: string, env: Record<string, string> = {}) =>
  problems({ files: { 'es-migrate.yaml': yaml }, env });

describe('tracking.tls', () => {
  test('is left to the default of the connection where nothing is written', () => {
    const { settings, warnings } = loaded(ELSEWHERE);
    expect(settings.tracking).not.toHaveProperty('tls');
    expect(warnings).toEqual([]);
  });

  test.each([
    ['off', tracking('tls: off'), {}],
    ['false', tracking('tls: false'), {}],
    ['a variable', ELSEWHERE, { ES_MIGRATE_TRACKING_TLS: 'off' }],
    [
      'a variable above a file',
      tracking('tls: { insecure: true }'),
      { ES_MIGRATE_TRACKING_TLS: 'off' },
    ],
  ])('is switched off by %s, and one line says so', (_, yaml, env) => {
    const { settings, warnings } = loaded(yaml, env);
    expect(settings.tracking.tls).toBe('off');
    expect(warnings).toEqual([
      'tracking.tls is off: the connection to MySQL at db.example is not encrypted, so anybody on the way can read and change what is sent',
    ]);
  });

  test.each(['localhost/d', '127.1.2.3/d', '[::1]/d', 'db.example/d?socketPath=/run/s'])(
    'off is nothing to warn of at %s',
    (at) => {
      const yaml = MINIMAL.replace('localhost/es_migrate', at);
      expect(loaded(yaml.replace('target:', '  tls: off\ntarget:')).warnings).toEqual([]);
    },
  );

  test('on asks for it', () => {
    const yaml = MINIMAL.replace('target:', '  tls: on\ntarget:');
    expect(loaded(yaml).settings.tracking.tls).toEqual({ insecure: false });
    const env = { ES_MIGRATE_TRACKING_TLS_INSECURE: 'true' };
    expect(loaded(tracking('tls: off'), env).settings.tracking.tls).toEqual({ insecure: true });
  });

  test.each([
    [
      'another word',
      tracking('tls: of'),
      /:7: tracking\.tls: "of" is not allowed; give off or on$/,
    ],
    ['a number', tracking('tls: 7'), /tracking\.tls/],
    [
      'off and keys at once',
      tracking('tls: { mode: off, insecure: true }'),
      /tracking\.tls: is off, but has a caFile or insecure, too; keep one of them/,
    ],
  ])('%s is refused', (_, yaml, line) => {
    expect(problemsOf(yaml)).toEqual([expect.stringMatching(line)]);
  });

  test('a variable is refused under its own name', () => {
    expect(problemsOf(ELSEWHERE, { ES_MIGRATE_TRACKING_TLS: 'no' })).toEqual([
      'ES_MIGRATE_TRACKING_TLS: tracking.tls: "no" is not allowed; give off or on',
    ]);
  });
});

describe('http:// to another machine', () => {
  const source = (url: string) => MINIMAL.replace('http://localhost:9200', url);
  const USER = { ES_MIGRATE_SOURCE_USERNAME: 'u', ES_MIGRATE_SOURCE_PASSWORD: 'secret-p' };
  const KEY = { ES_MIGRATE_SOURCE_API_KEY: 'secret-k' };

  test.each([
    ['user and password', source('http://es.example:9200'), USER],
    ['an API key', source('http://es.example:9200'), KEY],
    ['one node of several', source('[https://a.example, http://es.example:9200]'), KEY],
    ['credentials of the URL', source('http://u:secret-p@es.example:9200'), {}],
  ])('is refused with %s', (_, yaml, env) => {
    const lines = problemsOf(yaml, env);
    expect(lines).toEqual([
      expect.stringMatching(
        /source\.url: is http:\/\/ and leads to another machine, es\.example: the credentials would be sent unencrypted; write https:\/\/, or, .* source\.insecure: true, of which every run warns$/,
      ),
    ]);
    expect(lines.join()).not.toContain('secret');
  });

  test.each([
    'http://127.0.0.1:9200',
    'http://127.1.1.1',
    'http://[::1]:9200',
    'http://LOCALHOST',
    'https://es.example',
  ])('is something else than %s', (url) => {
    expect(loaded(source(url), KEY).warnings).toEqual([]);
  });

  test('is allowed without credentials, or where it is written, and then every run says so', () => {
    expect(loaded(source('http://es.example:9200')).warnings).toEqual([
      expect.stringMatching(/^source\.url is http:\/\/ .* messages come unencrypted/),
    ]);
    const { warnings } = loaded(source('http://es.example:9200'), {
      ...KEY,
      ES_MIGRATE_SOURCE_INSECURE: 'true',
    });
    expect(warnings).toEqual([expect.stringMatching(/^source\.insecure is true: .*http:\/\//)]);
  });

  test.each([
    [
      'target.endpoint',
      { ES_MIGRATE_TARGET_ENDPOINT: 'http://s3.example' },
      'ES_MIGRATE_TARGET_INSECURE',
    ],
    ['queue.url', { ES_MIGRATE_QUEUE_URL: 'http://sqs.example/1/q' }, 'ES_MIGRATE_QUEUE_INSECURE'],
  ])(
    'is the same for %s, whose requests carry content and session tokens',
    (key, env, insecure) => {
      expect(problemsOf(MINIMAL, env)).toEqual([
        expect.stringMatching(new RegExp(`${key}: is http:// and leads to another machine`)),
      ]);
      const { warnings } = loaded(MINIMAL, { ...env, [insecure]: 'true' });
      expect(warnings).toEqual([expect.stringMatching(/insecure is true: /)]);
    },
  );
});

describe('variables that are not followed', () => {
  const said = (env: Record<string, string>, yaml = MINIMAL) =>
    ignoredVariables(env, loaded(yaml).settings);
  const proxy = 'http://user:secret@proxy.example:3128';

  test.each(['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'ALL_PROXY'])('%s', (name) => {
    expect(said({ [name]: proxy })).toEqual([
      `${name} is set and not used: es-migrate connects to every server directly, without a proxy`,
    ]);
  });

  test.each(['*', 'amazonaws.com', '.amazonaws.com', 'x.example, *.amazonaws.com'])(
    'nothing is said of a proxy that is not for our servers: NO_PROXY=%s',
    (list) => {
      expect(said({ HTTPS_PROXY: proxy, NO_PROXY: list })).toEqual([]);
      expect(said({ HTTPS_PROXY: proxy, NO_PROXY: 'aws.com' })).toHaveLength(1);
    },
  );

  test('nor where all servers are on this machine', () => {
    const local = MINIMAL.replace('s3://bucket/prefix', 'file:///srv/export');
    expect(said({ HTTPS_PROXY: proxy }, local)).toEqual([]);
  });

  test('what they do to Node is taken back, for connections that are not ours to configure', () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { DEFAULT_MIN_VERSION } = tls;
    tls.DEFAULT_MIN_VERSION = 'TLSv1';
    restoreTlsDefaults();
    const restored = [process.env['NODE_TLS_REJECT_UNAUTHORIZED'], tls.DEFAULT_MIN_VERSION];
    tls.DEFAULT_MIN_VERSION = DEFAULT_MIN_VERSION;
    vi.unstubAllEnvs();
    expect(restored).toEqual([undefined, 'TLSv1.2']);
  });

  test('NODE_TLS_REJECT_UNAUTHORIZED', () => {
    expect(said({ NODE_TLS_REJECT_UNAUTHORIZED: '0' })).toEqual([
      expect.stringMatching(/^NODE_TLS_REJECT_UNAUTHORIZED=0 is set and not followed/),
    ]);
    expect(said({ NODE_TLS_REJECT_UNAUTHORIZED: '1' })).toEqual([]);
  });
});
