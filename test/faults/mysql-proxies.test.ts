import { beforeAll, describe, expect, it } from 'vitest';
import type { Statements } from '../../src/core/tracking/database.js';
import { migrateSchema } from '../../src/core/tracking/schema.js';
import { query } from '../end-to-end/landed.js';
import {
  startMultiplexingProxy,
  type MultiplexingOptions,
  type MultiplexingProxy,
} from '../support/proxies/multiplexing-mysql-proxy.js';
import { freshDatabase, sandbox, type FreshDatabase } from '../support/sandbox.js';
import { openDatabase, trackingSettings } from '../support/tracking.js';
import {
  command,
  expectMigrated,
  loadWeek,
  migrate,
  PATIENT,
  prepare,
  RANGE,
  type Migration,
  type Sample,
} from './migration.js';

let sample: Sample;
beforeAll(async () => {
  sample = await loadWeek();
});

async function withProxy(
  database: FreshDatabase,
  options: MultiplexingOptions,
  work: (proxy: MultiplexingProxy) => Promise<void>,
): Promise<void> {
  const proxy = await startMultiplexingProxy(sandbox().mysql, database, options);
  try {
    await work(proxy);
  } finally {
    await proxy.close();
  }
}

/** A migration whose tracking.url leads to the proxy. */
async function prepared(): Promise<{
  migration: Migration;
  through: (port: number) => Promise<void>;
}> {
  const migration = await prepare(sample, {});
  const { user, database } = migration.project.database;
  const through = (port: number) =>
    migration.project.configure({
      batchSize: 50,
      concurrency: 4,
      retryFor: '20s',
      tracking: { url: `mysql://${user}@127.0.0.1:${port}/${database}` },
    });
  return { migration, through };
}

const SHARED = /the proxy at tracking\.url gives one session several connections to MySQL/m;

describe('A proxy that shares connections to MySQL', PATIENT, () => {
  it('and keeps what a session sets: a run completes', async () => {
    const { migration, through } = await prepared();
    const { database } = migration.project;
    await withProxy(database, { multiplexing: 'tracks', backends: 6 }, async (proxy) => {
      await through(proxy.port);
      await expectMigrated(migration, await migrate(migration));
      expect(proxy.switches).toBeGreaterThan(10);
    });
  });

  it('and loses what a session sets: exit 2 before anything is written', async () => {
    const { migration, through } = await prepared();
    const { database } = migration.project;
    await withProxy(database, { multiplexing: 'forgets', backends: 2 }, async (proxy) => {
      await through(proxy.port);
      const { code, stderr } = await command(migration, 'extract', ...RANGE);
      expect(code, stderr).toBe(2);
      expect(stderr).toMatch(SHARED);
      expect(stderr).toMatch(/multiplexing/);
      expect(await query(migration.project, 'SHOW TABLES')).toEqual([]);
    });
  });

  it.each(['sql_select_limit = 1', "time_zone = '+02:00'", 'sql_safe_updates = ON'])(
    'and loses it later, when another client says %s: exit 2, and no row under it',
    async (setting) => {
      const at = await freshDatabase();
      const direct = openDatabase(trackingSettings(at), 1);
      // One connection to the server: all is well as long as no other client sets anything.
      await withProxy(at, { multiplexing: 'forgets', backends: 1 }, async (proxy) => {
        const through = trackingSettings({ ...at, host: '127.0.0.1', port: proxy.port });
        const [mine, others] = [openDatabase(through, 1), openDatabase(through, 1)];
        try {
          await direct.change('CREATE TABLE one (n INT PRIMARY KEY)');
          await mine.change('INSERT INTO one VALUES (1)');
          await others.session((on) => on.change(`SET SESSION ${setting}`));
          const insert = (n: number) => (on: Statements) =>
            on.change('INSERT INTO one VALUES (?)', [n]);
          const shared = { kind: 'usage', message: expect.stringMatching(SHARED) as string };
          await expect(mine.transaction(insert(2))).rejects.toMatchObject(shared);
          await expect(insert(3)(mine)).rejects.toMatchObject(shared);
          await expect(mine.session(insert(4))).rejects.toMatchObject(shared);
          expect(await direct.rows('SELECT n FROM one')).toEqual([{ n: 1 }]);
        } finally {
          await Promise.all([mine.close(), others.close()]);
        }
      });
      await direct.close();
      await at.drop();
    },
  );
});

describe('GET_LOCK', PATIENT, () => {
  it('that a proxy loses is noticed, and given back', async () => {
    const at = await freshDatabase();
    // Knows settings by name and re-applies them, and does not know locks.
    const options = { multiplexing: 'tracks-settings-only', backends: 2 } as const;
    await withProxy(at, options, async (proxy) => {
      const database = openDatabase(
        trackingSettings({ ...at, host: '127.0.0.1', port: proxy.port }),
      );
      const direct = openDatabase(trackingSettings(at));
      try {
        await expect(migrateSchema(database)).rejects.toThrow(/GET_LOCK/);
        expect((await migrateSchema(direct)).applied.length).toBeGreaterThan(0);
      } finally {
        await Promise.all([database.close(), direct.close()]);
        await at.drop();
      }
    });
  });

  it('that a cluster refuses is done without', async () => {
    const { migration, through } = await prepared();
    const message =
      'Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING';
    const refuse = (sql: string) =>
      sql.includes('GET_LOCK(') ? { number: 1105, message } : undefined;
    const options = { multiplexing: 'tracks', backends: 6, refuse } as const;
    await withProxy(migration.project.database, options, async (proxy) => {
      await through(proxy.port);
      await expectMigrated(migration, await migrate(migration));
    });
  });
});
