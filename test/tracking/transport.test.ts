import { describe, expect, onTestFinished, test } from 'vitest';
import type { MigrateError } from '../../src/core/errors.js';
import { Database } from '../../src/core/tracking/database.js';
import type { TrackingSettings } from '../../src/core/settings.js';
import { rejection } from '../objects/contents.js';
import { allowOldTls, freshCertificate, OLD_TLS } from '../support/certificates.js';
import { freshDatabase, sandbox } from '../support/sandbox.js';
import { LOCAL_FILES, scriptedMysql, type ScriptedOptions } from './scripted-mysql.js';

const PASSWORD = 'Tr0ub4dor&3';
/** This machine for the kernel; not loopback by its name, and so it stands for another machine. */
const ELSEWHERE = '0.0.0.0';

/** What comes of one statement, and what the server was told. */
async function ask(options: ScriptedOptions, settings: Partial<TrackingSettings>) {
  const server = await scriptedMysql(options);
  const at = { host: ELSEWHERE, port: server.port, user: 'u', password: PASSWORD, database: 'd' };
  const policy = { retryForMs: 0, report: () => undefined };
  const database = new Database({ ...at, ...settings }, policy, 1);
  onTestFinished(() => database.close());
  return { server, error: await rejection(database.rows('SELECT 1')) };
}

describe('TLS is the default beyond this machine:', () => {
  test('a server without it is told nothing, and the advice is not to go without', async () => {
    const { server, error } = await ask({}, {});
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^MySQL/) as string,
    });
    const { advice } = error as { advice: string };
    expect(advice).toMatch(/somebody in between.*ask its administrator to enable TLS/);
    expect(advice).not.toMatch(/off|remove|without/i);
    expect(server.packets).toEqual([]);
  });

  test('a certificate that nobody vouches for is refused', async () => {
    const { cert, key } = await freshCertificate('IP:0.0.0.0');
    const { server, error } = await ask(
      { tls: { cert, key }, plugin: 'caching_sha2_password' },
      {},
    );
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/certificate/) as string,
    });
    expect(server.learned).toEqual([]);
  });

  test.each(['127.0.0.1', 'localhost', 'LOCALHOST'])('not for %s', async (host) => {
    const { server } = await ask({}, { host });
    expect(server.packets.length).toBeGreaterThan(0);
  });
});

describe('the certificate of a server that is reached by its address', () => {
  const learnsAll = { plugin: 'caching_sha2_password' } as const;

  test('has to be for that address: one for localhost is not', async () => {
    const { cert, key, caFile } = await freshCertificate('DNS:localhost');
    const settings = { host: '127.0.0.1', tls: { caFile, insecure: false } };
    const { server, error } = await ask({ tls: { cert, key }, ...learnsAll }, settings);
    expect(server.learned).toEqual([]);
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/127\.0\.0\.1/) as string,
      advice: expect.stringMatching(/^Correct the host in tracking.url/) as string,
    });
  });

  test('is accepted where it is', async () => {
    const { cert, key, caFile } = await freshCertificate('IP:127.0.0.1');
    const settings = { host: '127.0.0.1', tls: { caFile, insecure: false } };
    const { server } = await ask({ tls: { cert, key }, ...learnsAll }, settings);
    expect(server.secured).toBe(1);
    expect(server.learned).toEqual([PASSWORD]);
  });
});

test('nothing older than TLS 1.2 is spoken, whatever the options of Node say', async () => {
  const { cert, key, caFile } = await freshCertificate('IP:127.0.0.1');
  allowOldTls();
  const { server, error } = await ask(
    { tls: { cert, key, ...OLD_TLS } },
    { host: '127.0.0.1', tls: { caFile, insecure: false } },
  );
  expect(server.secured).toBe(0);
  expect(error).toMatchObject({
    kind: 'usage',
    advice: expect.stringMatching(/enable TLS 1.2 at the server/) as string,
  });
});

describe('without TLS, a server elsewhere never gets the password:', () => {
  test.each(['mysql_clear_password', 'sha256_password', 'caching_sha2_password'] as const)(
    'not by %s',
    async (plugin) => {
      const { server, error } = await ask({ plugin }, { tls: 'off' });
      expect(server.learned).toEqual([]);
      expect(server.packets.some((packet) => packet.includes(PASSWORD))).toBe(false);
      expect(error).toMatchObject({ kind: 'usage' });
      const { message, advice } = error as MigrateError;
      expect(message).toMatch(/^MySQL .*asked for the password/);
      expect(message + (advice ?? '')).not.toMatch(/enableCleartextPlugin|option/);
    },
  );

  test('on this machine MySQL 8’s own way to ask for it works', async () => {
    const { server } = await ask({ plugin: 'caching_sha2_password' }, { host: '127.0.0.1' });
    expect(server.learned).toEqual([PASSWORD]);
  });
});

test('no file is offered, and none is sent to a server that asks for one', async () => {
  const answer = Buffer.concat([Buffer.from([0xfb]), Buffer.from('/etc/passwd')]);
  const { server, error } = await ask({ answer }, { host: '127.0.0.1' });
  const [response, ...after] = server.packets;
  expect((response?.readUInt32LE(0) ?? LOCAL_FILES) & LOCAL_FILES).toBe(0);
  expect(after.some((packet) => packet.includes('root:'))).toBe(false);
  expect(error).toMatchObject({
    kind: 'usage',
    message: 'MySQL asked for a file of this machine, and got none',
  });
});

test('a real server is reached without TLS where that is written, and over a socket', async () => {
  const at = await freshDatabase();
  const { port, user, password, database: name } = at;
  const cipher = async (changes: Partial<TrackingSettings>) => {
    const settings = { host: ELSEWHERE, port, user, password, database: name, ...changes };
    const database = new Database(settings, { retryForMs: 0, report: () => undefined }, 1);
    try {
      const [row] = await database.rows<{ Value: string }>("SHOW STATUS LIKE 'Ssl_cipher'");
      return row?.Value;
    } finally {
      await database.close();
    }
  };
  try {
    expect(await rejection(cipher({}))).toMatchObject({ kind: 'usage' });
    expect(await cipher({ tls: 'off' })).toBe('');
    expect(await cipher({ socketPath: sandbox().mysql.socketPath })).toBe('');
    expect(await cipher({ tls: { insecure: true } })).not.toBe('');
  } finally {
    await at.drop();
  }
});

test('a connection whose login is refused ends with the others, also where the server does not hang up', async () => {
  const server = await scriptedMysql({ refuses: true });
  const at = { host: '127.0.0.1', port: server.port, user: 'u', password: PASSWORD, database: 'd' };
  const database = new Database(at, { retryForMs: 0, report: () => undefined }, 1);
  expect((await rejection(database.rows('SELECT 1'))) as Error).toMatchObject({ kind: 'usage' });
  await database.close();
  await server.left();
});

describe('a certificate that MySQL has made itself names no host:', () => {
  test('the message says what to set', async () => {
    const { cert, key, caFile } = await freshCertificate('none');
    const { error } = await ask({ tls: { cert, key } }, { tls: { caFile, insecure: false } });
    expect((error as MigrateError).advice).toContain('verifyName: false');
  });

  test('with its own authority, verifyName: false takes it, and no other one', async () => {
    const { cert, key, caFile } = await freshCertificate('none');
    const other = await freshCertificate('none');
    const tls = { caFile, verifyName: false, insecure: false };
    const ours = await scriptedMysql({ tls: { cert, key } });
    const theirs = await ask({ tls: { cert: other.cert, key: other.key } }, { tls });
    expect(theirs.error).toMatchObject({ kind: 'usage' });
    const at = { host: ELSEWHERE, port: ours.port, user: 'u', password: PASSWORD, database: 'd' };
    const database = new Database({ ...at, tls }, { retryForMs: 0, report: () => undefined }, 1);
    onTestFinished(() => database.close());
    await rejection(database.rows('SELECT 1'));
    expect(ours.secured).toBe(1);
  });
});
