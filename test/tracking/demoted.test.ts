import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { acceptWindow } from '../../src/core/tracking/accepted-windows.js';
import { claimNext } from '../../src/core/tracking/claim-next.js';
import { Database } from '../../src/core/tracking/database.js';
import { migrateSchema, schemaVersion } from '../../src/core/tracking/schema.js';
import { ALL_JOBS } from '../../src/core/tracking/scope.js';
import { startPrivateMysql, type PrivateMysql } from '../faults/private-mysql.js';
import { batchRows, beginExtraction, ids } from '../support/tracking.js';

// A writer is demoted, and the user may write on a read-only server: all privileges on it.

let mysql: PrivateMysql;
let database: Database;
let made = 0;

beforeAll(async () => {
  mysql = await startPrivateMysql();
  await mysql.run(
    "CREATE USER 'boss'@'%' IDENTIFIED BY 'boss'; GRANT ALL PRIVILEGES ON *.* TO 'boss'@'%'",
  );
});
beforeEach(async () => {
  made += 1;
  await mysql.run(`CREATE DATABASE demoted_${made}`);
  database = opened();
});
afterEach(async () => {
  await mysql.run('SET GLOBAL read_only = 0');
  await database.close();
});
afterAll(() => mysql.stop());

function opened(): Database {
  const { host, port } = mysql.server.mysql;
  const at = { host, port, user: 'boss', password: 'boss', database: `demoted_${made}` };
  return new Database(at, { retryForMs: 1, report: () => undefined }, 2);
}

const demote = () => mysql.run('SET GLOBAL read_only = 1');
const refusal = {
  kind: 'usage',
  message: expect.stringContaining('read_only is ON') as string,
};

test('a replica gets no schema, and can be read', async () => {
  await demote();
  await expect(migrateSchema(database)).rejects.toMatchObject(refusal);
  expect(await schemaVersion(database)).toBe(0);
  expect(await database.rows('SHOW TABLES')).toEqual([]);
});

test('a replica gets no acceptance', async () => {
  await migrateSchema(database);
  const { jobId } = await beginExtraction(database);
  await database.change("UPDATE extract_windows SET status = 'failed'");
  await demote();
  const late = opened();
  const window = { jobId, windowId: 1 };
  try {
    await expect(acceptWindow(late, window, { reason: 'lost', by: 'me' }, 0)).rejects.toMatchObject(
      refusal,
    );
    expect(await late.rows('SELECT * FROM acceptances')).toEqual([]);
  } finally {
    await late.close();
  }
});

test('a connection that was opened before commits nothing any more', async () => {
  await migrateSchema(database);
  const { store } = await beginExtraction(database);
  await store(ids(3));
  await demote();
  const terms = { scope: ALL_JOBS, room: 'all' as const, mostTries: 3 };
  await expect(claimNext(database, 'worker:1', 300, terms)).rejects.toMatchObject(refusal);
  expect(await batchRows(database)).toMatchObject([{ status: 'pending' }]);
});

test('a transaction that began before is not committed behind it', async () => {
  await migrateSchema(database);
  await expect(
    database.transaction(async (on) => {
      await on.change("INSERT INTO acceptances (reason, accepted_by) VALUES ('lost', 'me')");
      await demote();
    }),
  ).rejects.toMatchObject(refusal);
  expect(await database.rows('SELECT * FROM acceptances')).toEqual([]);
});

test('nor is a statement by itself, alone or under a lock', async () => {
  await migrateSchema(database);
  const insert = "INSERT INTO acceptances (reason, accepted_by) VALUES ('lost', 'me')";
  // So that the connection is there before.
  await database.change(insert);
  await demote();
  await expect(database.change(insert)).rejects.toMatchObject(refusal);
  await mysql.run('SET GLOBAL read_only = 0');
  await expect(
    database.session(async (on) => {
      await demote();
      await on.change(insert);
    }),
  ).rejects.toMatchObject(refusal);
  expect(await database.rows('SELECT * FROM acceptances')).toHaveLength(1);
});
