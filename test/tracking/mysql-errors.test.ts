import { describe, expect, it } from 'vitest';
import { MigrateError } from '../../src/core/errors.js';
import { isFault } from '../../src/core/fault.js';
import { DRIVER_RULES, ERROR_RULES } from '../../src/core/tracking/error-rules/index.js';
import type { ErrorClass, Product } from '../../src/core/tracking/error-rules/rule.js';
import { classify, mysqlError } from '../../src/core/tracking/faults.js';
import { errorDocument } from './mysql-errors/document.js';
import { FAMILIES } from './mysql-errors/families.js';
import { LISTS, type KnownError } from './mysql-errors/lists.js';

const RULED = new Set(ERROR_RULES.flatMap(({ numbers }) => numbers));
const isRuled = ({ number }: KnownError) => RULED.has(number);

/** As mysql2 makes it of what a server sends. */
function sent(errno: number, message = 'said the server', sqlState = 'HY000'): Error {
  return Object.assign(new Error(message), { errno, code: 'ER_SOMETHING', sqlState });
}

describe('Every error has a class:', () => {
  it.each(Object.entries(LISTS))('%s', (_, errors) => {
    expect(errors.length).toBeGreaterThan(70);
    const open = errors.filter(
      (error) => !isRuled(error) && !FAMILIES.some(({ names }) => names.test(error.name)),
    );
    expect(open.map(({ number, name }) => `${number} ${name}`)).toEqual([]);
  });

  it('each rule and each family names errors that exist', () => {
    const known = Object.values(LISTS).flat();
    const numbers = new Set(known.map(({ number }) => number));
    // ProxySQL's and RDS Proxy's own.
    const ofProxies = [9001, 9002, 9003, 9006, 9501];
    expect([...RULED].filter((one) => !numbers.has(one) && !ofProxies.includes(one))).toEqual([]);
    const empty = FAMILIES.filter(({ names }) => !known.some(({ name }) => names.test(name)));
    expect(empty.map(({ why }) => why)).toEqual([]);
  });

  it('no number has two rules', () => {
    const seen = new Map<string, string>();
    const twice: string[] = [];
    for (const { numbers, when, on, what } of ERROR_RULES) {
      if (when) continue;
      for (const number of new Set(numbers)) {
        for (const product of on ? [on] : ['MySQL', 'MariaDB']) {
          const key = `${product} ${number}`;
          if (seen.has(key)) twice.push(`${key}: ${seen.get(key) ?? ''} / ${what}`);
          seen.set(key, what);
        }
      }
    }
    expect(twice).toEqual([]);
    const codes = DRIVER_RULES.flatMap((rule) => rule.codes);
    expect(codes).toHaveLength(new Set(codes).size);
  });

  it('no advice is to go without TLS or without checking', () => {
    const advice = [...ERROR_RULES, ...DRIVER_RULES].map((rule) => rule.advice ?? '');
    const weaker = /insecure|tls: off|secure_transport|remove tracking\.tls|clear.?text/i;
    expect(advice.filter((text) => weaker.test(text))).toEqual([]);
  });

  it('docs/MYSQL-ERRORS.md says so', async () => {
    await expect(await errorDocument()).toMatchFileSnapshot('../../docs/MYSQL-ERRORS.md');
  });
});

describe('What one number says depends on', () => {
  it.each<[string, Error, Product | undefined, ErrorClass]>([
    ['the option', sent(1290, 'running with the --read-only option'), undefined, 'read-only'],
    ['the option', sent(1290, 'running with the --super-read-only option'), 'MySQL', 'read-only'],
    ['the option', sent(1290, 'running with the --secure-file-priv option'), 'MySQL', 'refused'],
    [
      'the engine',
      sent(1030, 'Got error 28 "No space left on device" from storage'),
      undefined,
      'no-space',
    ],
    ['the engine', sent(1030, 'Got error 168 - unknown from storage engine'), undefined, 'refused'],
    [
      'the disk',
      sent(3, "Error writing file 'x' (OS errno 28 - No space left on device)"),
      'MySQL',
      'no-space',
    ],
    [
      'the disk',
      sent(1180, 'Got error 28 "No space left on device" during COMMIT'),
      'MariaDB',
      'no-space',
    ],
    ['the disk', sent(1180, 'Got error 5 during COMMIT'), 'MariaDB', 'wait'],
    ['the product', sent(4031), 'MySQL', 'connection'],
    ['the product', sent(4031), 'MariaDB', 'bug'],
    ['the product', sent(4151), 'MariaDB', 'refused'],
    ['the product', sent(4151), 'MySQL', 'bug'],
    ['the product, once it is known', sent(4151), undefined, 'refused'],
    ['the product', sent(1927), 'MariaDB', 'connection'],
    [
      'pxc_strict_mode',
      sent(1105, 'Percona-XtraDB-Cluster prohibits use of GET_LOCK'),
      'MySQL',
      'refused',
    ],
    ['the SQLSTATE of a new number', sent(6999, 'new', '08S01'), 'MySQL', 'connection'],
    ['the SQLSTATE of a new number', sent(6999, 'new', '40001'), 'MySQL', 'wait'],
    ['the SQLSTATE of a new number', sent(6999, 'new', '28000'), 'MySQL', 'refused'],
    ['the SQLSTATE of a new number', sent(6999, 'new', '25006'), 'MySQL', 'read-only'],
    ['the SQLSTATE of a new number', sent(6999, 'new', '42000'), 'MySQL', 'bug'],
  ])('%s: %s', (_, error, product, expected) => {
    expect(classify(error, product).class).toBe(expected);
  });
});

describe('The way to the server:', () => {
  it.each<[string, string, ErrorClass]>([
    ['ECONNREFUSED', '', 'connection'],
    ['EADDRNOTAVAIL', 'connect EADDRNOTAVAIL', 'connection'],
    ['EAI_FAIL', 'getaddrinfo EAI_FAIL', 'connection'],
    ['EACCES', 'connect EACCES /run/mysqld/mysqld.sock', 'refused'],
    ['AUTH_SWITCH_PLUGIN_ERROR', 'unknown plugin auth_gssapi_client', 'refused'],
    ['MYSQL_CLEAR_PASSWORD_NOT_ENABLED', 'which sends the password in plaintext', 'refused'],
    ['HANDSHAKE_SSL_ERROR', 'self-signed certificate in certificate chain', 'refused'],
    ['HANDSHAKE_SSL_ERROR', 'read ECONNRESET', 'connection'],
    ['', "Can't add new command when connection is in closed state", 'connection'],
    ['', 'Pool is closed.', 'connection'],
    ['', 'Cannot read properties of undefined', 'bug'],
  ])('%s %s', (code, message, expected) => {
    const error = Object.assign(new Error(message), code === '' ? {} : { code, errno: -111 });
    expect(classify(error).class).toBe(expected);
  });

  it('errors that are no errors of MySQL stay what they are', () => {
    const mine = new MigrateError('busy', 'the certificate of another process is in closed state');
    expect(classify(mine).class).toBe('bug');
    expect(mysqlError(mine)).toBe(mine);
  });
});

describe('What the operator can change', () => {
  it.each([
    [sent(1071, 'Specified key was too long'), /innodb_page_size/],
    [sent(1153, 'Got a packet bigger than max_allowed_packet'), /max_allowed_packet/],
    [sent(1197, 'Multi-statement transaction required more than'), /max_binlog_cache_size/],
    [
      sent(1206, 'The total number of locks exceeds the lock table size'),
      /innodb_buffer_pool_size/,
    ],
    [sent(1524, "Plugin 'mysql_native_password' is not loaded"), /caching_sha2_password/],
    [sent(1665, 'BINLOG_FORMAT = STATEMENT'), /binlog_format/],
    [sent(3750, 'Unable to create or change a table without a primary key'), /primary key/],
    [sent(1146, "Table 'x.batch_progress' doesn't exist"), /backup/],
    [sent(1644, 'no updates here'), /triggers/],
    [sent(1193, "Unknown system variable 'x'"), /MariaDB 10\.6/],
  ])('%s is exit 2 and says what', (error, advice) => {
    const told = mysqlError(error) as MigrateError;
    expect(told).toBeInstanceOf(MigrateError);
    expect(told).toMatchObject({ kind: 'usage', message: `MySQL refused: ${error.message}` });
    expect(told.advice).toMatch(advice);
  });

  it('a server that stays read-only is not down', () => {
    const fault = mysqlError(sent(1290, 'running with the --read-only option'));
    expect(isFault(fault) && fault.lasting).toMatchObject({
      kind: 'usage',
      advice: expect.stringContaining('read_only') as string,
    });
  });
});
