import { randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createConnection, type Connection } from 'mysql2/promise';
import { cached } from '../../sandbox/cache.js';
import { spawnGuarded, type Guarded } from '../../sandbox/guard.js';
import { asRoot, prepareMariadb } from '../../sandbox/mariadb/prepare.js';
import { freePorts } from '../../sandbox/ports.js';
import { program, provide } from '../../sandbox/prerequisites.js';
import { runTool } from '../../sandbox/tool.js';
import { until } from '../support/until.js';

export interface Node {
  readonly port: number;
  readonly server: Guarded;
  connect(): Promise<Connection>;
  run(sql: string): Promise<void>;
}

export interface Cluster {
  readonly user: string;
  readonly password: string;
  readonly nodes: readonly [Node, Node];
  stop(): Promise<void>;
}

/**
 * Two nodes on 127.0.0.1, in step. The first one counts for two, so that it goes on alone when the other is killed.
 * Debian's packages of Galera and of the scripts that copy a node are unpacked into the cache, not installed.
 */
export async function startCluster(): Promise<Cluster> {
  const report = (text: string) => process.stderr.write(`${text}\n`);
  await provide(
    ['rsync', 'lsof'].map((name) => program(name, name, [name])),
    report,
  );
  const [{ program: mariadbd, emptyData }, galera] = await Promise.all([
    prepareMariadb(report),
    cached('galera-4', unpack),
  ]);
  const home = await mkdtemp(join(tmpdir(), 'galera-'));
  const ports = await freePorts(6);
  const password = randomBytes(16).toString('hex');
  const user = 'es_migrate';
  const start = async (number: 0 | 1): Promise<Node> => {
    const at = (name: string) => join(home, `node-${number}`, name);
    const [port = 0, replication = 0, transfer = 0] = ports.slice(number * 3);
    for (const name of ['tmp', 'home']) await mkdir(at(name), { recursive: true });
    await cp(emptyData, at('data'), { recursive: true });
    await writeFile(
      at('init.sql'),
      `CREATE USER IF NOT EXISTS '${user}'@'%' IDENTIFIED BY '${password}';
GRANT ALL PRIVILEGES ON *.* TO '${user}'@'%' WITH GRANT OPTION;
`,
    );
    const provider = [
      `gmcast.listen_addr=tcp://127.0.0.1:${replication}`,
      `ist.recv_addr=127.0.0.1:${transfer}`,
      'base_host=127.0.0.1',
      `base_port=${replication}`,
      'gcache.size=64M',
      'evs.keepalive_period=PT0.5S',
      'evs.suspect_timeout=PT3S',
      'evs.inactive_timeout=PT6S',
      `pc.weight=${number === 0 ? 2 : 1}`,
    ].join(';');
    const settings = [
      '[mariadbd]',
      `datadir=${at('data')}`,
      `tmpdir=${at('tmp')}`,
      `socket=${at('socket')}`,
      `pid-file=${at('pid')}`,
      ...(number === 0 ? [`init-file=${at('init.sql')}`] : []),
      'bind-address=127.0.0.1',
      `port=${port}`,
      'skip-name-resolve',
      'innodb-buffer-pool-size=64M',
      'innodb-log-file-size=32M',
      'innodb-flush-log-at-trx-commit=0',
      'innodb_autoinc_lock_mode=2',
      'binlog_format=ROW',
      'wsrep_on=ON',
      `wsrep_provider=${join(galera, 'usr/lib/galera/libgalera_smm.so')}`,
      'wsrep_cluster_name=test',
      `wsrep_cluster_address=gcomm://${number === 0 ? '' : `127.0.0.1:${ports[1] ?? 0}`}`,
      `wsrep_node_name=node-${number}`,
      'wsrep_node_address=127.0.0.1',
      'wsrep_sst_method=rsync',
      `wsrep_provider_options="${provider}"`,
    ];
    await writeFile(at('my.cnf'), settings.join('\n') + '\n');
    const args = [
      `--defaults-file=${at('my.cnf')}`,
      ...asRoot(),
      ...(number === 0 ? ['--wsrep-new-cluster'] : []),
    ];
    const PATH = [join(galera, 'usr/bin'), process.env['PATH']].join(delimiter);
    const server = await spawnGuarded(at('home'), mariadbd, args, { PATH });
    const connect = () => {
      const to = { host: '127.0.0.1', port, user, password };
      return createConnection({ ...to, multipleStatements: true });
    };
    const run = async (sql: string) => {
      const connection = await connect();
      try {
        await connection.query(sql);
      } finally {
        await connection.end();
      }
    };
    await until(async () => {
      try {
        return await isReady(connect);
      } catch {
        return false;
      }
    }, `node ${number}`);
    return { port, server, connect, run };
  };
  const first = await start(0);
  const second = await start(1);
  return {
    user,
    password,
    nodes: [first, second],
    stop: async () => {
      await Promise.all([first.server.stop(), second.server.stop()]);
    },
  };
}

async function isReady(connect: () => Promise<Connection>): Promise<boolean> {
  const connection = await connect();
  try {
    const [rows] = await connection.query("SHOW STATUS LIKE 'wsrep_ready'");
    return (rows as { Value: string }[])[0]?.Value === 'ON';
  } finally {
    await connection.end();
  }
}

async function unpack(directory: string): Promise<void> {
  await runTool('apt-get', ['download', 'galera-4', 'mariadb-server'], { cwd: directory });
  await runTool('sh', ['-c', 'for one in *.deb; do dpkg-deb -x "$one" .; rm "$one"; done'], {
    cwd: directory,
  });
  // Run by root, rsync would write as nobody, who may not.
  const script = join(directory, 'usr/bin/wsrep_sst_rsync');
  const text = await readFile(script, 'utf8');
  await writeFile(script, text.replace(/^use chroot = no$/m, '$&\nuid = root\ngid = root'));
}
