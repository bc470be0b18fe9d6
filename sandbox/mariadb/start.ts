import { randomBytes } from 'node:crypto';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createCertificates } from '../certificates.js';
import { freePorts } from '../ports.js';
import { startServer, type Started } from '../server.js';
import { asRoot, type PreparedMariadb } from './prepare.js';

export interface MysqlCoordinates {
  readonly host: string;
  readonly port: number;
  /** May create databases and users and grant everything. */
  readonly user: string;
  readonly password: string;
  /** Exists already, empty. */
  readonly database: string;
  /** `mysql://user@host:port/database`, without the password. */
  readonly url: string;
  /** Certificate authority of the server's certificate, for localhost and 127.0.0.1. */
  readonly caFile: string;
  readonly socketPath: string;
}

const USER = 'es_migrate';
const DATABASE = 'es_migrate';

/**
 * Starts MariaDB with TLS, on a copy of an empty data directory, on 127.0.0.1 and a socket. Sizes in MiB.
 */
export function startMariadb(
  sandbox: string,
  prepared: PreparedMariadb,
  { bufferPool, redoLog }: { bufferPool: number; redoLog: number },
  stop: AbortSignal,
): Promise<Started<MysqlCoordinates>> {
  return startServer(
    sandbox,
    'mysql',
    async (home) => {
      const at = (name: string) => join(home, name);
      const [certificates, [port]] = await Promise.all([
        createCertificates(at('tls')),
        freePorts(1) as Promise<[number]>,
        cp(prepared.emptyData, at('data'), { recursive: true }),
        mkdir(at('tmp')),
      ]);
      const password = randomBytes(16).toString('hex');
      await writeFile(at('init.sql'), initialStatements(password), { mode: 0o600 });
      const settings = [
        '[mariadbd]',
        `datadir=${at('data')}`,
        // Its own: a server that starts removes what it takes for leftovers from a shared one.
        `tmpdir=${at('tmp')}`,
        `socket=${at('socket')}`,
        `pid-file=${at('server.pid')}`,
        `init-file=${at('init.sql')}`,
        'bind-address=127.0.0.1',
        `port=${port}`,
        'skip-name-resolve',
        `ssl-ca=${certificates.caFile}`,
        `ssl-cert=${certificates.certFile}`,
        `ssl-key=${certificates.keyFile}`,
        'character-set-server=utf8mb4',
        // As in production: a commit is on disk when it is acknowledged.
        'innodb-flush-log-at-trx-commit=1',
        `innodb-buffer-pool-size=${bufferPool}M`,
        `innodb-log-file-size=${redoLog}M`,
        'local-infile=ON',
        // One database and pool of connections per test file.
        'max-connections=500',
      ];
      await writeFile(at('my.cnf'), settings.join('\n') + '\n');
      return {
        command: prepared.program,
        args: [`--defaults-file=${at('my.cnf')}`, ...asRoot()],
        // The socket lies in our own directory and appears after the port is bound: it can only be this server.
        ready: () => connects(at('socket')),
        coordinates: {
          host: '127.0.0.1',
          port,
          user: USER,
          password,
          database: DATABASE,
          url: `mysql://${USER}@127.0.0.1:${port}/${DATABASE}`,
          caFile: certificates.caFile,
          socketPath: at('socket'),
        },
      };
    },
    stop,
  );
}

/** Run by the server itself at each start, before it accepts connections, so the password is on no command line. */
function initialStatements(password: string): string {
  return [
    `CREATE DATABASE IF NOT EXISTS ${DATABASE} CHARACTER SET utf8mb4;`,
    `CREATE USER IF NOT EXISTS '${USER}'@'%' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO '${USER}'@'%' WITH GRANT OPTION;`,
    '',
  ].join('\n');
}

/** True when a server greets on the socket. */
function connects(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(socketPath);
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
