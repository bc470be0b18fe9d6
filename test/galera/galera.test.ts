import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/core/run.js';
import { Database, type Statements } from '../../src/core/tracking/database.js';
import {
  command,
  expectMigrated,
  expectNobodyPaid,
  loadWeek,
  migrate,
  PATIENT,
  prepare,
  RANGE,
  type Migration,
  type Sample,
} from '../faults/migration.js';
import { query } from '../end-to-end/landed.js';
import { runBinary, startBinary } from '../support/binary.js';
import { startTcpProxy } from '../support/proxies/tcp-proxy.js';
import { until } from '../support/until.js';
import { startCluster, type Cluster } from './cluster.js';

let sample: Sample;
let cluster: Cluster;
beforeAll(async () => {
  [sample, cluster] = await Promise.all([loadWeek(), startCluster()]);
});
afterAll(() => cluster.stop());

const SLOW = {
  batchSize: 10,
  retryFor: '60s',
  limits: { sourceRequestsPerSecond: 10, sourceLoad: 0 },
};

/** A migration whose tracking database is the cluster's. */
async function prepared(settings: Record<string, unknown> = SLOW): Promise<Migration> {
  const { user, password, nodes } = cluster;
  const migration = await prepare(sample, {});
  const { database } = migration.project.database;
  await nodes[0].run(`CREATE DATABASE ${database}`);
  const url = urlAt(nodes[0].port, database);
  await migration.project.configure({ ...settings, tracking: { url } });
  const at = { host: '127.0.0.1', port: nodes[0].port, user, password, url };
  return {
    ...migration,
    project: {
      ...migration.project,
      database: { ...migration.project.database, ...at },
      env: { ...migration.project.env, ES_MIGRATE_TRACKING_PASSWORD: password },
      configure: (changes) => migration.project.configure({ ...changes, tracking: { url } }),
    },
  };
}

const urlAt = (port: number, database: string) =>
  `mysql://es_migrate@127.0.0.1:${port}/${database}`;

/** The same migration, its tracking database reached at another port. */
function through({ project }: Migration, port: number) {
  const url = urlAt(port, project.database.database);
  return { ...project, env: { ...project.env, ES_MIGRATE_TRACKING_URL: url } };
}

describe('On a Galera cluster', PATIENT, () => {
  it('a whole job at one node completes', async () => {
    const migration = await prepared({ batchSize: 50 });
    await expectMigrated(migration, await migrate(migration));
  });

  it('two nodes make the tables at once', async () => {
    const migration = await prepared();
    const ended = await Promise.all(
      cluster.nodes.map(({ port }) => runBinary(['db', 'migrate'], through(migration, port))),
    );
    expect(
      ended.map(({ code }) => code),
      ended.map(({ stderr }) => stderr).join('\n'),
    ).toEqual([0, 0]);
    await expectMigrated(migration, await migrate(migration));
  });

  it('a transaction that loses to one at the other node is run again', async () => {
    const { user, password, nodes } = cluster;
    await nodes[0].run('CREATE DATABASE rows_; CREATE TABLE rows_.one (id INT PRIMARY KEY, n INT)');
    await nodes[0].run('INSERT INTO rows_.one VALUES (1, 0)');
    const said: string[] = [];
    const [here, there] = nodes.map(({ port }) => {
      const at = { host: '127.0.0.1', port, user, password, database: 'rows_' };
      const report = (event: RunEvent) => event.type === 'log' && said.push(event.message);
      return new Database(at, { retryForMs: 20_000, report }, 2);
    }) as [Database, Database];
    const add = (on: Statements) => on.change('UPDATE one SET n = n + 1 WHERE id = 1');
    try {
      let tries = 0;
      await here.transaction(async (on) => {
        await add(on);
        if ((tries += 1) === 1) await there.transaction(add);
      });
      expect(tries).toBe(2);
      expect(said.join()).toMatch(/Deadlock/);
      await until(async () => (await there.rows<{ n: number }>('SELECT n FROM one'))[0]?.n === 2);
    } finally {
      await Promise.all([here.close(), there.close()]);
    }
  });

  it('processes at both nodes share the batches, and one of the nodes is killed', async () => {
    const migration = await prepared();
    const [first, second] = cluster.nodes;
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: second.port });
    try {
      expect((await command(migration, 'extract', ...RANGE)).code).toBe(0);
      const args = ['process', '--verbose', '--no-progress'];
      const running = [
        startBinary(args, migration.project),
        startBinary(args, through(migration, proxy.port)),
      ] as const;
      const owners =
        'SELECT DISTINCT lease_owner FROM batch_progress WHERE lease_owner IS NOT NULL';
      await until(
        async () => (await query(migration.project, owners)).length === 2,
        'batches in hand at both nodes',
      );
      process.kill(second.server.pid, 'SIGKILL');
      proxy.redirect({ host: '127.0.0.1', port: first.port });
      const ended = await Promise.all(running.map((one) => one.ended));
      for (const { code, stderr } of ended) expect([0, 4], stderr).toContain(code);
      await expectNobodyPaid(migration);
      await expectMigrated(migration, await migrate(migration));
    } finally {
      await proxy.close();
    }
  });
});
