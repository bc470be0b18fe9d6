import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { MysqlCoordinates } from '../../sandbox/index.js';
import type { Migration } from './migration.js';
import { startPrivateMysql, type PrivateMysql } from './private-mysql.js';

/** A writer, and a server that is to be the writer after it. */
export interface TwoServers {
  readonly first: PrivateMysql;
  readonly second: PrivateMysql;
  /** The same migration, its tracking database on the first server, its tracking.url as given. */
  adopt(migration: Migration, settings: Record<string, unknown>, at: Address): Promise<Migration>;
  /** The first server stays up, and read-only; all that it holds is on the second one. */
  failOver(migration: Migration): Promise<void>;
  /** The same migration for those who look at the second server. */
  onSecond(migration: Migration): Migration;
  stop(): Promise<void>;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export async function startTwoServers(): Promise<TwoServers> {
  const [first, second] = await Promise.all([startPrivateMysql(), startPrivateMysql()]);
  return {
    first,
    second,
    adopt: async (migration, settings, { host, port }) => {
      const project = await first.adopt(migration.project);
      const { database, url, password } = project.database;
      const tool = new URL(url).username;
      await second.run(
        `CREATE USER '${tool}'@'%' IDENTIFIED BY '${password}';
         GRANT ALL PRIVILEGES ON ${database}.* TO '${tool}'@'%'`,
      );
      const tracking = { url: `mysql://${tool}@${host}:${port}/${database}` };
      await migration.project.configure({ ...settings, tracking });
      return { ...migration, project };
    },
    failOver: async ({ project }) => {
      await first.run('SET GLOBAL read_only = 1');
      await copy(first.server.mysql, second.server.mysql, project.database.database);
    },
    onSecond: (migration) => {
      const { database } = migration.project.database;
      const at = { ...migration.project.database, ...second.server.mysql, database };
      return { ...migration, project: { ...migration.project, database: at } };
    },
    stop: async () => {
      await Promise.all([first.stop(), second.stop()]);
    },
  };
}

/** What replication would have done. */
async function copy(from: MysqlCoordinates, to: MysqlCoordinates, database: string): Promise<void> {
  const open = ({ host, port, user, password }: MysqlCoordinates) =>
    createConnection({
      host,
      port,
      user,
      password,
      dateStrings: true,
      supportBigNumbers: true,
      bigNumberStrings: true,
    });
  const [source, target] = await Promise.all([open(from), open(to)]);
  try {
    await target.query(`CREATE DATABASE ${database}`);
    await Promise.all([source.query(`USE ${database}`), target.query(`USE ${database}`)]);
    const [tables] = await source.query<RowDataPacket[]>({ sql: 'SHOW TABLES', rowsAsArray: true });
    for (const [name] of tables as unknown as [string][]) {
      const [[created]] = await source.query<RowDataPacket[]>(`SHOW CREATE TABLE ${name}`);
      await target.query(String(created?.['Create Table']));
      const sql = `SELECT * FROM ${name}`;
      const [rows] = await source.query<RowDataPacket[]>({ sql, rowsAsArray: true });
      if (rows.length > 0) await target.query(`INSERT INTO ${name} VALUES ?`, [rows]);
    }
  } finally {
    await Promise.all([source.end(), target.end()]);
  }
}
