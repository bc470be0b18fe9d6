import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { startTcpProxy, type TcpProxy } from '../support/proxies/tcp-proxy.js';
import { sandbox } from '../support/sandbox.js';
import type { Project } from '../support/project.js';
import {
  claimedOne,
  command,
  expectGivenUp,
  expectMigrated,
  leasesRanOut,
  loadWeek,
  migrate,
  named,
  PATIENT,
  prepare,
  start,
  type Sample,
} from './migration.js';

let sample: Sample;
beforeAll(async () => {
  sample = await loadWeek();
});

/** Slow enough to be troubled in the middle. */
const SLOW = { limits: { sourceRequestsPerSecond: 15, sourceLoad: 0 } };
const TABLES = [
  'job_runs',
  'extract_windows',
  'extract_cursors',
  'batch_progress',
  'message_tracking',
];

/**
 * Lets the server itself answer with an error, the first `times` times that a row of `table` is updated. The count is
 * kept in a table without transactions: a rollback must not take it back.
 */
async function failUpdates(
  project: Project,
  {
    table,
    errno,
    times,
    message = 'trouble',
  }: { table: string; errno: number; times: number; message?: string },
): Promise<void> {
  const trouble =
    'CREATE TABLE IF NOT EXISTS trouble (name CHAR(32) PRIMARY KEY, n INT) ENGINE=MyISAM';
  await change(project, trouble);
  await change(project, `INSERT INTO trouble VALUES ('${table}', ${times})`);
  await change(
    project,
    `CREATE TRIGGER trouble_${table} BEFORE UPDATE ON ${table} FOR EACH ROW
     IF (SELECT n FROM trouble WHERE name = '${table}') > 0 THEN
       UPDATE trouble SET n = n - 1 WHERE name = '${table}';
       SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = '${message}';
     END IF`,
  );
}

async function withProxy(work: (proxy: TcpProxy) => Promise<void>): Promise<void> {
  const proxy = await startTcpProxy(sandbox().mysql);
  try {
    await work(proxy);
  } finally {
    await proxy.close();
  }
}

describe.concurrent('MySQL: a run completes, and no message pays, through', PATIENT, () => {
  it.each([
    { errno: 1213, fault: 'deadlocks' },
    { errno: 1205, fault: 'lock wait timeouts' },
    { errno: 1317, fault: 'interrupted statements' },
    {
      errno: 1290,
      fault: 'a server that is read-only for a while',
      message: 'The MariaDB server is running with the --read-only option',
    },
    { errno: 1836, fault: 'a MySQL in read-only mode for a while' },
    { errno: 1180, fault: 'transactions that a cluster does not certify' },
    { errno: 1020, fault: 'rows that changed under the transaction' },
    { errno: 1047, fault: 'a node that is not ready' },
  ])('$fault ($errno)', async ({ errno, ...said }) => {
    const migration = await prepare(sample, {});
    const { project } = migration;
    expect((await command(migration, 'db', 'migrate')).code).toBe(0);
    for (const table of TABLES) await failUpdates(project, { table, errno, times: 2, ...said });
    await expectMigrated(migration, await migrate(migration));
    expect(await query(project, 'SELECT * FROM trouble WHERE n > 0')).toEqual([]);
  });

  it.each([
    { when: 'before its COMMIT arrives', verdict: 'cut' },
    { when: 'when its COMMIT is done, unheard', verdict: 'pass-and-cut' },
  ] as const)('a connection cut $when', async ({ verdict }) => {
    await withProxy(async (proxy) => {
      const migration = await prepare(sample, { tracking: proxy.port });
      let commits = 0;
      proxy.use((bytes) => {
        // Behind the packet's length, number and command.
        if (bytes.toString('latin1', 5) !== 'COMMIT') return undefined;
        commits += 1;
        return commits % 3 === 0 ? verdict : undefined;
      });
      await expectMigrated(migration, await migrate(migration));
      expect(proxy.cuts).toBeGreaterThan(3);
    });
  });

  it('KILL of all its connections, again and again', async () => {
    const migration = await prepare(sample, { settings: SLOW });
    const running = start(migration);
    const ended = running.ended.then(() => true);
    let killed = 0;
    // Not for ever: a server that kills whatever comes is down.
    while (killed < 30 && !(await Promise.race([ended, delay(300, false)])))
      killed += await killAll(migration.project);
    await expectMigrated(migration, await running.ended);
    expect(killed).toBeGreaterThan(3);
  });

  it('connections refused for seconds', async () => {
    await withProxy(async (proxy) => {
      const migration = await prepare(sample, { tracking: proxy.port, settings: SLOW });
      const running = start(migration);
      await claimedOne(migration, running);
      await proxy.down();
      await running.shows(/trying again/);
      await delay(2000);
      await proxy.up();
      await expectMigrated(migration, await running.ended);
    });
  });

  it('silence for seconds', async () => {
    await withProxy(async (proxy) => {
      const migration = await prepare(sample, { tracking: proxy.port, settings: SLOW });
      const running = start(migration);
      await claimedOne(migration, running);
      proxy.stall();
      await delay(3000);
      proxy.resume();
      await expectMigrated(migration, await running.ended);
    });
  });
});

const RETRY_FOR = 5;
const lasting: readonly { fault: string; trouble: (proxy: TcpProxy) => unknown }[] = [
  { fault: 'connections refused', trouble: (proxy) => proxy.down() },
  { fault: 'silence', trouble: (proxy) => proxy.stall() },
];

describe.concurrent(
  'MySQL: a run ends with 5, and once its leases ran out the next completes, after',
  PATIENT,
  () => {
    it.each(named(lasting))('%s, in mid-run', async (_, { trouble }) => {
      await withProxy(async (proxy) => {
        const settings = { ...SLOW, retryFor: `${RETRY_FOR}s`, leaseSeconds: 20 };
        const migration = await prepare(sample, { tracking: proxy.port, settings });
        const running = start(migration);
        await claimedOne(migration, running);
        const since = performance.now();
        await trouble(proxy);
        await expectGivenUp(migration, await running.ended, { since, retryFor: RETRY_FOR });
        await proxy.close();
        await leasesRanOut(migration);
        await expectMigrated(migration, await migrate(migration));
      });
    });

    it('a full disk', async () => {
      const migration = await prepare(sample, {});
      const { project } = migration;
      expect((await command(migration, 'db', 'migrate')).code).toBe(0);
      await failUpdates(project, { table: 'message_tracking', errno: 1021, times: 1000 });
      const since = performance.now();
      const ended = await migrate(migration);
      expect(ended.stderr).toMatch(/^es-migrate: MySQL's disk is full/m);
      await expectGivenUp(migration, ended, { since, retryFor: 60 });
      await change(project, 'UPDATE trouble SET n = 0');
      await expectMigrated(migration, await migrate(migration));
    });
  },
);

async function killAll(project: Project): Promise<number> {
  const { database } = project.database;
  const rows = await query(
    project,
    `SELECT id FROM information_schema.processlist WHERE db = '${database}' AND id <> CONNECTION_ID()`,
  );
  for (const { id } of rows as { id: number }[]) {
    // Gone already is as good.
    await change(project, `KILL ${id}`).catch(() => undefined);
  }
  return rows.length;
}
