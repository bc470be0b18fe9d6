import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { randomBytes } from 'node:crypto';
import { startSandbox } from '../../sandbox/index.js';
import type { TrackingSettings } from '../../src/core/settings.js';
import type { WorstSession } from './worst-sessions.js';

/** A server whose settings a test may change, and a user without privileges beyond databases of its own. */
export interface OtherServer {
  readonly admin: Connection;
  /** Whether this server knows a variable. */
  knows(variable: string): Promise<boolean>;
  /** An empty database, as the user without privileges reaches it. */
  database(options?: string): Promise<TrackingSettings>;
  /** Runs `work` while new connections begin with this. */
  under(worst: WorstSession, work: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/**
 * A private MariaDB; or, where ES_MIGRATE_TEST_MYSQL names another server (mysql://root@127.0.0.1:3306, MySQL say) that
 * nobody else uses, that one.
 */
export async function startOther(): Promise<OtherServer> {
  const given = process.env['ES_MIGRATE_TEST_MYSQL'];
  const server = given === undefined ? await startSandbox({ servers: ['mysql'] }) : undefined;
  const url = given === undefined ? undefined : new URL(given);
  const at = server?.mysql ?? {
    host: url?.hostname ?? '',
    port: Number(url?.port),
    user: url?.username ?? '',
    password: url?.password ?? '',
  };
  const { host, port } = at;
  const admin = await createConnection({
    host,
    port,
    user: at.user,
    password: at.password,
    multipleStatements: true,
  });
  const suffix = randomBytes(4).toString('hex');
  const user = `plain_${suffix}`;
  const password = randomBytes(8).toString('hex');
  await admin.query(
    `CREATE USER '${user}'@'%' IDENTIFIED BY '${password}';
     GRANT ALL PRIVILEGES ON \`session\\_${suffix}\\_%\`.* TO '${user}'@'%'`,
  );
  let made = 0;
  return {
    admin,
    knows: async (variable) => {
      const [rows] = await admin.query<RowDataPacket[]>(
        'SHOW SESSION VARIABLES WHERE Variable_name = ?',
        [variable],
      );
      return rows.length > 0;
    },
    database: async (options = '') => {
      made += 1;
      const database = `session_${suffix}_${made}`;
      await admin.query(`CREATE DATABASE ${database} ${options}`);
      return { host, port, user, password, database };
    },
    under: async ({ global, initConnect = '' }, work) => {
      await admin.query(`SET GLOBAL init_connect = ?`, [initConnect]);
      if (global) await admin.query(global.set);
      try {
        await work();
      } finally {
        if (global) await admin.query(global.undo);
        await admin.query(`SET GLOBAL init_connect = ''`);
      }
    },
    stop: async () => {
      for (let number = 1; number <= made; number += 1)
        await admin.query(`DROP DATABASE IF EXISTS session_${suffix}_${number}`);
      await admin.query(`DROP USER '${user}'@'%'`);
      await admin.end();
      await server?.stop();
    },
  };
}
