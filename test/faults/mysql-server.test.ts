import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimedOne,
  expectMigrated,
  expectNobodyPaid,
  leasesRanOut,
  loadWeek,
  migrate,
  PATIENT,
  prepare,
  start,
  type Migration,
  type Sample,
} from './migration.js';
import { startPrivateMysql, type PrivateMysql } from './private-mysql.js';

let sample: Sample;
let mysql: PrivateMysql;
beforeAll(async () => {
  [sample, mysql] = await Promise.all([loadWeek(), startPrivateMysql()]);
});
afterAll(() => mysql.stop());

const SLOW = { batchSize: 50, limits: { sourceRequestsPerSecond: 15, sourceLoad: 0 } };

/** A migration whose tracking database lies on the private server. */
async function prepared(settings: Record<string, unknown> = SLOW): Promise<Migration> {
  const migration = await prepare(sample, {});
  const project = await mysql.adopt(migration.project);
  await project.configure(settings);
  return { ...migration, project };
}

/** These trouble the whole server: one after the other. */
describe('MySQL, the server itself: a run completes, and no message pays, through', PATIENT, () => {
  it('kill -9 of the server in mid-run, and its restart', async () => {
    const migration = await prepared();
    const running = start(migration);
    await claimedOne(migration, running);
    await mysql.server.kill('mysql');
    await running.shows(/trying again/);
    await mysql.server.restart('mysql');
    await expectMigrated(migration, await running.ended);
  });

  it('read_only for a while', async () => {
    const migration = await prepared();
    const running = start(migration);
    await claimedOne(migration, running);
    await mysql.run('SET GLOBAL read_only = 1');
    try {
      await running.shows(/read-only/);
      await delay(1000);
    } finally {
      await mysql.run('SET GLOBAL read_only = 0');
    }
    await expectMigrated(migration, await running.ended);
  });

  it('too few connections for all that run', async () => {
    const migration = await prepared();
    const tool = new URL(migration.project.database.url).username;
    await mysql.run(`ALTER USER '${tool}'@'%' WITH MAX_USER_CONNECTIONS 2`);
    const ended = await migrate(migration);
    expect(ended.stderr).toMatch(/max_user_connections/);
    await expectMigrated(migration, ended);
  });

  it('rows that somebody keeps locked, beyond the longest wait for a lock (20 s)', async () => {
    const other = await mysql.connect();
    try {
      const migration = await prepared();
      const { database } = migration.project.database;
      const running = start(migration);
      await claimedOne(migration, running);
      await other.query(
        `USE ${database}; START TRANSACTION; SELECT * FROM message_tracking FOR UPDATE`,
      );
      await running.shows(/Lock wait timeout/);
      await other.query('ROLLBACK');
      await expectMigrated(migration, await running.ended);
    } finally {
      await other.end();
    }
  });

  it('real deadlocks', async () => {
    const migration = await prepared({ ...SLOW, batchSize: 20 });
    const { database } = migration.project.database;
    const other = await mysql.connect();
    try {
      await other.query(`USE ${database}; CREATE TABLE weight (n INT PRIMARY KEY)`);
      const running = start(migration);
      await claimedOne(migration, running);
      const met = running.shows(/Deadlock found/).then(
        () => true,
        () => true,
      );
      // Not for ever: a server on which nobody gets a lock is down.
      while (!(await Promise.race([met, delay(20, false)]))) {
        // Messages first, then their batch: the other way round than whoever completes it. The server ends the lighter
        // of two transactions, so this one is made the heavier.
        const numbers = Array.from({ length: 500 }, (_, n) => `(${n})`).join(',');
        await other
          .query(
            `START TRANSACTION; INSERT INTO weight VALUES ${numbers};
             SELECT message_id FROM message_tracking WHERE status = 'in_progress' FOR UPDATE; DO SLEEP(0.2);
             SELECT batch_id FROM batch_progress WHERE status = 'in_progress' FOR UPDATE`,
          )
          // Lost for once.
          .catch(() => undefined);
        await other.query('ROLLBACK');
      }
      expect((await running.ended).stderr).toMatch(/Deadlock found/);
      await expectMigrated(migration, await running.ended);
    } finally {
      await other.end();
    }
  });

  it('read_only for good is no outage: it ends with 2 and names it, and the next run completes', async () => {
    const migration = await prepared({ ...SLOW, retryFor: '5s', leaseSeconds: 10 });
    const running = start(migration);
    await claimedOne(migration, running);
    await mysql.run('SET GLOBAL read_only = 1');
    try {
      const { code, stderr } = await running.ended;
      expect(code, stderr).toBe(2);
      expect(stderr).toMatch(/^es-migrate: MySQL has been read-only for \d+ s: .*read-only/m);
      expect(stderr).toMatch(/Set read_only to OFF .*tracking\.url/);
      await expectNobodyPaid(migration);
      const again = await migrate(migration);
      expect(again.code, again.stderr).toBe(2);
    } finally {
      await mysql.run('SET GLOBAL read_only = 0');
    }
    await leasesRanOut(migration);
    await expectMigrated(migration, await migrate(migration));
  });
});
