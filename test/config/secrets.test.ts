import { inspect } from 'node:util';
import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { formsOf } from '../../src/core/secrets/forms.js';
import { secretsOf } from '../../src/core/secrets/of-settings.js';
import { load, MINIMAL, problems, problemsWith } from './workspace.js';

const SECRET = 'Tr0ub4dor&3';
const encoded = encodeURIComponent(SECRET);

describe('where secrets may come from', () => {
  test('the URL, the key, the file, the environment: the nearer one counts', () => {
    const tracking = (more: string) =>
      MINIMAL.replace('mysql://es_migrate@', `mysql://es_migrate:${encoded}@`).replace(
        'target:',
        `${more}target:`,
      );
    const passwordOf = (more: string, env = {}) =>
      load({ files: { 'es-migrate.yaml': tracking(more), pw: 'of file\r\n' }, env }).settings
        .tracking.password;
    expect(passwordOf('')).toBe(SECRET);
    expect(passwordOf('  password: of key\n')).toBe('of key');
    expect(passwordOf('  passwordFile: pw\n')).toBe('of file');
    expect(passwordOf('  passwordFile: pw\n', { ES_MIGRATE_TRACKING_PASSWORD: 'of env' })).toBe(
      'of env',
    );
  });

  test('userinfo of source.url becomes credentials and leaves the URL', () => {
    const { settings } = load({ env: { ES_MIGRATE_SOURCE_URL: `https://bob:${encoded}@es:9200` } });
    expect(settings.source.urls).toEqual(['https://es:9200']);
    expect(settings.source.auth).toEqual({ username: 'bob', password: SECRET });
  });

  test('only one line break is taken off a file', () => {
    const files = { 'es-migrate.yaml': MINIMAL, key: 'abc\n\n' };
    const { settings } = load({ files, env: {} });
    expect(settings.source.auth).toBeUndefined();
    const yaml = MINIMAL.replace('  index', '  apiKeyFile: key\n  index');
    expect(load({ files: { ...files, 'es-migrate.yaml': yaml } }).settings.source.auth).toEqual({
      apiKey: 'abc\n',
    });
  });
});

describe('what does not go together', () => {
  test.each([
    [
      { ES_MIGRATE_SOURCE_API_KEY: 'k', ES_MIGRATE_SOURCE_USERNAME: 'u' },
      'source.apiKey: excludes',
    ],
    [
      { ES_MIGRATE_SOURCE_USERNAME: 'u' },
      'source.username: names a user, but its password is not set',
    ],
    [{ ES_MIGRATE_SOURCE_PASSWORD: 'p' }, 'source.password: is set, but source.username is not'],
    [
      { ES_MIGRATE_SOURCE_URL: 'http://u:a@x,http://u:b@y' },
      'source.url: has different credentials',
    ],
    [
      { ES_MIGRATE_TRACKING_PASSWORD: 'p', ES_MIGRATE_TRACKING_PASSWORD_FILE: 'x' },
      'tracking.passwordFile: tracking.password is set, too',
    ],
    [{ ES_MIGRATE_TRACKING_PASSWORD_FILE: 'nowhere' }, 'the file that it names does not exist'],
    [{ ES_MIGRATE_TARGET_ENCRYPTION_KEY_ID: 'x' }, 'target.encryption.type: is not set'],
    [
      { ES_MIGRATE_TARGET_ENCRYPTION_TYPE: 'sse-s3', ES_MIGRATE_TARGET_ENCRYPTION_KEY_ID: 'x' },
      'is for type: sse-kms only',
    ],
    [
      {
        ES_MIGRATE_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/batches',
        ES_MIGRATE_QUEUE_REGION: 'us-east-1',
      },
      'queue.region: is us-east-1, and queue.url names eu-central-1',
    ],
  ])('%j', (env, message) => {
    const lines = problems({ env });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
  });
});

describe('secrets are not printed', () => {
  const files = (tracking: string) => ({
    'es-migrate.yaml': MINIMAL.replace(/mysql:.*/, tracking),
  });

  test.each([
    `mysql://u:${SECRET}@h`,
    `mysql://u:${SECRET}@h:notaport/d`,
    `mysql:/u:${SECRET}@h/d`,
    `postgres://u:${SECRET}@h/d`,
    `mysql://u:${SECRET}@h/d?ssl=1`,
    `mysql://u:${SECRET}#@h/d`,
    `mysql://u:%zz${SECRET}@h/d`,
    `"mysql://u:${SECRET}@h/d`,
  ])('not by a problem of %s', (url) => {
    expect(problems({ files: files(url) }).join('\n')).not.toContain(SECRET);
  });

  test('nor by problems of other keys', () => {
    const env = {
      ES_MIGRATE_SOURCE_URL: `htps://u:${SECRET}@x`,
      ES_MIGRATE_SOURCE_API_KEE: SECRET,
      ES_MIGRATE_TARGET_URL: `s3://key:${SECRET}@bucket`,
      ES_MIGRATE_TARGET_ENDPOINT: `https://u:${SECRET}@x`,
    };
    const lines = problems({ env });
    expect(lines).toHaveLength(4);
    expect(lines.join('\n')).not.toContain(SECRET);
    expect(problemsWith('password: 12345678\n').join('\n')).not.toContain('12345678');
  });

  test('nor by printing the settings', () => {
    const env = {
      ES_MIGRATE_SOURCE_URL: `https://bob:${encoded}@es`,
      ES_MIGRATE_TRACKING_PASSWORD: SECRET,
    };
    const { settings, describedBy, warnings } = load({ env });
    expect(settings.tracking.password).toBe(SECRET);
    const printed = [
      JSON.stringify(settings),
      inspect(settings, { depth: 9 }),
      describedBy,
      ...warnings,
    ].join('\n');
    expect(printed).toContain('[secret]');
    expect(printed).not.toContain(SECRET);
    expect(printed).not.toContain(encoded);
  });

  test('each of them is known to what scrubs the log, in the forms a server may echo', () => {
    const env = {
      ES_MIGRATE_SOURCE_URL: `https://bob:${encoded}@es`,
      ES_MIGRATE_TRACKING_PASSWORD: 'of mysql',
    };
    const secrets = secretsOf(load({ env }).settings).flatMap(formsOf);
    const basic = Buffer.from(`bob:${SECRET}`).toString('base64');
    expect(secrets).toEqual(expect.arrayContaining([SECRET, encoded, basic, 'of mysql']));
  });
});

describe('certificates', () => {
  const pem = rootCertificates[0] ?? '';
  const yaml = MINIMAL.replace('  index', '  caFile: ca.pem\n  index');

  test('a PEM file beside the configuration is taken, by its absolute path', () => {
    expect(new X509Certificate(pem).ca).toBe(true);
    const { settings } = load({ files: { 'es-migrate.yaml': yaml, 'ca.pem': pem } });
    expect(settings.source.caFile).toMatch(/^\/.*\/ca\.pem$/);
  });

  test.each([
    ['', 'holds no PEM certificate'],
    [
      '-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n',
      'holds no PEM certificate',
    ],
  ])('%j is refused', (text, message) => {
    const lines = problems({ files: { 'es-migrate.yaml': yaml, 'ca.pem': text } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(message);
  });
});
