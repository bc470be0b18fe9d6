import { createConnection } from 'mysql2/promise';
import { createCertificates } from '../../sandbox/certificates.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test, vi } from 'vitest';
import type { TrackingSettings } from '../../src/core/settings.js';
import type { RunEvent } from '../../src/core/run.js';
import { alter } from '../../src/core/tracking/alter.js';
import {
  Database,
  type SessionStatements,
  type Statements,
} from '../../src/core/tracking/database.js';
import { migrateSchema, readMigrations } from '../../src/core/tracking/schema.js';
import { startTcpProxy } from '../support/proxies/tcp-proxy.js';
import { freshDatabase, sandbox, type FreshDatabase } from '../support/sandbox.js';
import { freshTracking, openDatabase, trackingSettings } from '../support/tracking.js';

let at: FreshDatabase;
let database: Database;

beforeEach(async () => {
  at = await freshDatabase();
  database = openDatabase(trackingSettings(at));
});
afterEach(async () => {
  await database.close();
  await at.drop();
});

const tables = () =>
  database
    .rows<{ name: string }>(
      'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1',
    )
    .then((rows) => rows.map(({ name }) => name));

/** Dies of a kill after so many statements that change something. */
class DyingDatabase extends Database {
  #left: number;

  constructor(settings: TrackingSettings, statements: number) {
    super(settings, { retryForMs: 0, report: () => undefined }, 2);
    this.#left = statements;
  }

  override session<T>(work: (on: SessionStatements) => Promise<T>): Promise<T> {
    return super.session((on) => work({ ...this.#dying(on), patient: this.#dying(on.patient) }));
  }

  #dying(on: Statements): Statements {
    return {
      packetBytes: on.packetBytes,
      rows: (sql, parameters) => on.rows(sql, parameters),
      change: async (sql, parameters) => {
        if (this.#left === 0) throw Object.assign(new Error('killed'), { fatal: true });
        this.#left -= 1;
        return on.change(sql, parameters);
      },
    };
  }
}

/** All tables as the server would make them again. */
async function layout(database: Database): Promise<string[]> {
  const names = await database.rows<{ name: string }>(
    'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1',
  );
  const made: string[] = [];
  for (const { name } of names) {
    const [row] = await database.rows<Record<string, string>>(`SHOW CREATE TABLE ${name}`);
    made.push((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''));
  }
  return made;
}

describe('migrating', () => {
  test('from nothing, then again', async () => {
    const migrations = await readMigrations();
    const all = migrations.map(({ name }) => name);
    const version = migrations.at(-1)?.version;
    expect(await migrateSchema(database)).toEqual({ applied: all, version });
    expect(await tables()).toEqual([
      'acceptances',
      'accepted_failures',
      'alert_episodes',
      'batch_progress',
      'extract_cursors',
      'extract_windows',
      'job_indices',
      'job_overlaps',
      'job_runs',
      'message_errors',
      'message_tracking',
      'related_counts',
      'schema_migrations',
      'source_indices',
      'source_limits',
      'tracking_database',
      'upload_limits',
      'verify_findings',
      'verify_keys',
      'verify_runs',
    ]);
    expect(await migrateSchema(database)).toEqual({ applied: [], version });
  });

  test('by several at once: one of them does it', async () => {
    const others = Array.from({ length: 4 }, () => openDatabase(trackingSettings(at), 2));
    try {
      const outcomes = await Promise.all(others.map((other) => migrateSchema(other)));
      expect(outcomes.filter(({ applied }) => applied.length > 0)).toHaveLength(1);
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
    expect(await database.rows('SELECT * FROM tracking_database')).toHaveLength(1);
  });

  test('again where an earlier run was cut off half-way', async () => {
    const [first] = await readMigrations();
    // After the version was noted down, and the first three of its statements.
    await database.change(
      'CREATE TABLE schema_migrations (version INT UNSIGNED NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME(3) NULL)',
    );
    await database.change('INSERT INTO schema_migrations (version, name) VALUES (1, ?)', ['x']);
    for (const statement of first?.statements.slice(0, 3) ?? []) await database.change(statement);
    const [before] = await database.rows('SELECT database_id FROM tracking_database');
    expect((await migrateSchema(database)).applied).toContain(first?.name);
    expect(await tables()).toContain('message_errors');
    // The id it had given itself stays: objects may carry it.
    expect(await database.rows('SELECT database_id FROM tracking_database')).toEqual([before]);
  });

  test('again where an earlier run was cut off behind a column it had added', async () => {
    const all = await readMigrations();
    const cutOff = all.filter(({ version }) => version >= 2).map(({ name }) => name);
    await migrateSchema(database);
    await database.change('DELETE FROM schema_migrations WHERE version > 2');
    await database.change('UPDATE schema_migrations SET applied_at = NULL WHERE version = 2');
    await database.change('ALTER TABLE batch_progress DROP COLUMN index_etag');
    expect((await migrateSchema(database)).applied).toEqual(cutOff);
    await database.rows('SELECT object_etag, index_etag FROM batch_progress');
  });

  test('again where an earlier run was killed after any of its statements: nothing is missing', async () => {
    await migrateSchema(database);
    const whole = await layout(database);
    for (let statements = 0, ended = false; !ended; statements += 1) {
      const half = await freshDatabase();
      const dying = new DyingDatabase(trackingSettings(half), statements);
      const next = openDatabase(trackingSettings(half), 2);
      try {
        ended = await migrateSchema(dying).then(
          () => true,
          () => false,
        );
        await migrateSchema(next);
        expect(await layout(next), `killed after ${statements}`).toEqual(whole);
      } finally {
        await Promise.all([dying.close(), next.close()]);
        await half.drop();
      }
    }
  }, 300_000);

  test('waits for a statement longer than for others, and says so', async () => {
    // No time left: five seconds, the least that any other statement is waited for.
    const hasty = new Database(trackingSettings(at), { retryForMs: 0, report: () => undefined }, 1);
    const told: string[] = [];
    const report = (event: RunEvent) => {
      if (event.type === 'log') told.push(event.message);
    };
    try {
      await hasty.session((on) => alter(on, 'DO SLEEP(7)', report, 1_000));
      await expect(hasty.session((on) => on.change('DO SLEEP(7)'))).rejects.toThrow('no answer');
    } finally {
      await hasty.close();
    }
    expect(told[0]).toMatch(/^tracking database: DO SLEEP\(7\) has been running for \d+ s/);
  });

  test('makes tables that say their own engine, row format, character set and collation', async () => {
    for (const { name, statements } of await readMigrations()) {
      for (const statement of statements) {
        if (/^CREATE TABLE/.test(statement)) {
          expect(statement, name).toMatch(
            /\) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin$/,
          );
        }
        expect(statement, name).not.toMatch(/CHARACTER SET \w+ (?!COLLATE)/);
      }
    }
    await migrateSchema(database);
    const made = await database.rows<Record<string, string>>(
      `SELECT engine AS e, row_format AS f, table_collation AS c FROM information_schema.tables
       WHERE table_schema = DATABASE() GROUP BY engine, row_format, table_collation`,
    );
    expect(made).toEqual([{ e: 'InnoDB', f: 'Dynamic', c: 'utf8mb4_bin' }]);
  });

  test('in a database with a name as long as names may be', async () => {
    const name = 'n'.repeat(64);
    await database.change(`CREATE DATABASE ${name}`);
    const long = openDatabase(trackingSettings(at, { database: name }), 2);
    try {
      expect((await migrateSchema(long)).applied).not.toEqual([]);
    } finally {
      await long.close();
      await database.change(`DROP DATABASE ${name}`);
    }
  });

  test.each(['job_runs', 'message_tracking', 'source_indices', 'schema_migrations'])(
    "is refused where somebody else's table %s is there",
    async (name) => {
      await database.change(`CREATE TABLE ${name} (version BIGINT PRIMARY KEY, dirty BOOLEAN)`);
      await expect(migrateSchema(database)).rejects.toMatchObject({
        kind: 'usage',
        message: `the tracking database already has a table ${name} that es-migrate did not make`,
        advice: expect.stringContaining('tracking.url') as string,
      });
      expect(await tables()).toEqual([name]);
    },
  );

  test.each([
    ['finished', 'NOW(3)'],
    ['only begun', 'NULL'],
  ])('is refused where a newer es-migrate has %s its own', async (_, appliedAt) => {
    const { version } = await migrateSchema(database);
    await database.change(
      `INSERT INTO schema_migrations VALUES (${version + 1}, 'later', ${appliedAt})`,
    );
    await expect(migrateSchema(database)).rejects.toMatchObject({
      kind: 'usage',
      message: `the tracking database has schema version ${version + 1}, this es-migrate knows ${version}`,
    });
  });

  test('keeps message ids apart that differ in case or trailing spaces only', async () => {
    await migrateSchema(database);
    const values = ['a', 'A', 'a ', 'ä', 'a\0'].map((id) => [1, Buffer.from(id), 1, '2024-10-01']);
    await database.change(
      'INSERT INTO message_tracking (batch_id, message_id, index_id, start_date) VALUES ?',
      [values],
    );
    expect(await database.rows('SELECT 1 FROM message_tracking')).toHaveLength(values.length);
  });
});

describe('sessions', () => {
  test('run in UTC, strict, and read committed rows', async () => {
    const [row] = await database.rows<Record<string, string>>(
      'SELECT @@time_zone AS zone, @@sql_mode AS mode',
    );
    expect(row?.['zone']).toBe('+00:00');
    expect(row?.['mode']).toContain('STRICT_ALL_TABLES');
    // MySQL has one name for it, MariaDB 10.11 the other.
    const isolation = await database.rows<{ Value: string }>(
      "SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')",
    );
    expect(isolation.map(({ Value }) => Value)).toEqual(['READ-COMMITTED']);
  });

  test('hand instants back as they were given, to the millisecond', async () => {
    const instant = new Date('2024-03-31T01:30:00.123Z');
    const [row] = await database.rows<{ at: Date }>('SELECT CAST(? AS DATETIME(3)) AS at', [
      instant,
    ]);
    expect(row?.at).toEqual(instant);
  });

  test('closing does not wait for a server that has fallen silent, nor for a statement it never answers', async () => {
    const proxy = await startTcpProxy(at);
    const through = trackingSettings(at, { host: '127.0.0.1', port: proxy.port });
    const other = new Database(through, { retryForMs: 1_000, report: () => undefined }, 2);
    try {
      await Promise.all([1, 2].map(() => other.rows('SELECT SLEEP(0.1)')));
      proxy.stall();
      const waiting = other.rows('SELECT 1').catch((error: unknown) => error);
      await other.close();
      expect(await waiting).toBeInstanceOf(Error);
    } finally {
      await proxy.close();
    }
  });

  test('one that was idle and that a router has forgotten is replaced, not waited for', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const proxy = await startTcpProxy(at);
    const through = trackingSettings(at, { host: '127.0.0.1', port: proxy.port });
    const complaints: unknown[] = [];
    const report = (event: unknown) => complaints.push(event);
    // Less than the shortest time that is waited for a statement.
    const other = new Database(through, { retryForMs: 1_000, report }, 1);
    try {
      const connection = 'SELECT CONNECTION_ID() AS id';
      const [first] = await other.rows(connection);
      vi.setSystemTime(Date.now() + 60_000);
      expect(await other.rows(connection)).toEqual([first]);
      proxy.forget();
      vi.setSystemTime(Date.now() + 60_000);
      expect(await other.rows(connection)).not.toEqual([first]);
      expect(complaints).toEqual([]);
    } finally {
      vi.useRealTimers();
      await proxy.close();
      await other.close();
    }
  });

  test('a connection that is cut in a transaction costs a repetition, not the work', async () => {
    await migrateSchema(database);
    let runs = 0;
    await database.transaction(async (on) => {
      runs += 1;
      await on.change('INSERT INTO source_indices (name) VALUES (?)', [`run ${runs}`]);
      if (runs === 1) {
        const [me] = await on.rows<{ id: number }>('SELECT CONNECTION_ID() AS id');
        await database.change(`KILL ${me?.id ?? 0}`);
      }
      await on.rows('SELECT 1');
    });
    expect(await database.rows('SELECT name FROM source_indices')).toEqual([{ name: 'run 2' }]);
  });
});

describe('a configuration that cannot work is told in one line', () => {
  const user = 'es_migrate_test';
  const failure = async (changes: Partial<TrackingSettings>) => {
    const other = openDatabase(trackingSettings(at, changes), 1);
    try {
      return await migrateSchema(other).then(
        () => undefined,
        (error: unknown) => error as Error & { kind?: string; advice?: string },
      );
    } finally {
      await other.close();
    }
  };
  const administer = async (...statements: string[]) => {
    const { host, port, user: root, password } = sandbox().mysql;
    const connection = await createConnection({ host, port, user: root, password });
    for (const statement of statements) await connection.query(statement);
    await connection.end();
  };

  beforeAll(() => administer(`CREATE USER '${user}'@'%' IDENTIFIED BY 'right'`));
  afterAll(() => administer(`DROP USER '${user}'@'%'`));

  test('wrong password', async () => {
    const error = await failure({ user, password: 'wrong-secret' });
    expect(error).toMatchObject({
      name: 'MigrateError',
      kind: 'usage',
      advice: expect.stringContaining('ES_MIGRATE_TRACKING_PASSWORD') as string,
    });
    expect(error?.message).toMatch(/^MySQL refused: Access denied for user 'es_migrate_test'@/);
    expect(`${error?.message ?? ''}${error?.stack ?? ''}`).not.toContain('wrong-secret');
  });

  test('no privileges on the database, and no privilege to create tables', async () => {
    const none = await failure({ user, password: 'right' });
    expect(none).toMatchObject({
      kind: 'usage',
      advice: 'Create the database if it is missing, and grant the user all privileges on it.',
    });
    await administer(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${at.database}.* TO '${user}'@'%'`);
    const few = await failure({ user, password: 'right' });
    expect(few).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^MySQL refused: CREATE command denied/) as string,
      advice: expect.stringContaining('Run es-migrate db migrate first') as string,
    });
    expect(await tables()).toEqual([]);
  });

  test('a database that does not exist', async () => {
    expect(await failure({ database: 'no_such_database' })).toMatchObject({
      kind: 'usage',
      message: "MySQL refused: Unknown database 'no_such_database'",
      advice: 'Create the database, or correct the name in tracking.url.',
    });
  });

  test('a certificate of an authority that is not trusted', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'es-migrate-test-'));
    try {
      const { caFile } = await createCertificates(directory);
      for (const tls of [{ caFile, insecure: false }, { insecure: false }]) {
        expect(await failure({ tls })).toMatchObject({
          kind: 'usage',
          message: expect.stringMatching(/^MySQL's certificate was not accepted: /) as string,
          advice: 'Name its certificate authority in tracking.tls.caFile.',
        });
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test.each([
  ['with its authority', () => ({ caFile: sandbox().mysql.caFile, insecure: false })],
  ['unchecked, where that is asked for', () => ({ insecure: true })],
])('TLS %s: the connection is encrypted', async (_, tls) => {
  const encrypted = openDatabase(trackingSettings(at, { tls: tls() }), 1);
  try {
    const rows = await encrypted.rows<{ Value: string }>("SHOW STATUS LIKE 'Ssl_cipher'");
    expect(rows[0]?.Value).not.toBe('');
  } finally {
    await encrypted.close();
  }
});

test('two tracking databases have two ids', async () => {
  const [one, two] = await Promise.all([freshTracking(), freshTracking()]);
  try {
    const idOf = (tracking: typeof one) =>
      tracking.database.rows('SELECT database_id FROM tracking_database');
    expect(await idOf(one)).not.toEqual(await idOf(two));
  } finally {
    await Promise.all([one.drop(), two.drop()]);
  }
});
