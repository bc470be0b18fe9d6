import { createConnection, type Connection } from 'mysql2/promise';
import { startSandbox, type Sandbox } from '../../sandbox/index.js';
import type { Project } from '../support/project.js';

/** A MySQL server of one test file's own: for what would trouble all tests that share one. */
export interface PrivateMysql {
  readonly server: Sandbox<'mysql'>;
  /** The project's tracking database moves to this server, as a user with all privileges on it and none beyond. */
  adopt(project: Project): Promise<Project>;
  /** As administrator. */
  run(sql: string): Promise<void>;
  connect(): Promise<Connection>;
  stop(): Promise<void>;
}

export async function startPrivateMysql(): Promise<PrivateMysql> {
  const server = await startSandbox({ servers: ['mysql'] });
  const { host, port, user, password } = server.mysql;
  const connect = () => createConnection({ host, port, user, password, multipleStatements: true });
  const run = async (sql: string) => {
    const connection = await connect();
    try {
      await connection.query(sql);
    } finally {
      await connection.end();
    }
  };
  return {
    server,
    run,
    connect,
    adopt: async (project) => {
      const { database } = project.database;
      const tool = `tool_${database.slice(-8)}`;
      await run(
        `CREATE DATABASE ${database}; CREATE USER '${tool}'@'%' IDENTIFIED BY '${password}';
         GRANT ALL PRIVILEGES ON ${database}.* TO '${tool}'@'%'`,
      );
      const url = `mysql://${tool}@${host}:${port}/${database}`;
      return {
        ...project,
        database: { ...server.mysql, database, url, drop: () => run(`DROP DATABASE ${database}`) },
        env: { ...project.env, ES_MIGRATE_TRACKING_PASSWORD: password },
        configure: (changes) => project.configure({ ...changes, tracking: { url } }),
      };
    },
    stop: () => server.stop(),
  };
}
