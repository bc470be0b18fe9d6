import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { startTcpProxy, type TcpProxy } from '../support/proxies/tcp-proxy.js';
import {
  claimedOne,
  expectMigrated,
  expectNobodyPaid,
  loadWeek,
  PATIENT,
  prepare,
  start,
  type Migration,
  type Sample,
} from './migration.js';
import { startTwoServers, type TwoServers } from './two-servers.js';

let sample: Sample;
let servers: TwoServers;
const proxies: TcpProxy[] = [];
beforeAll(async () => {
  sample = await loadWeek();
});
beforeEach(async () => {
  servers = await startTwoServers();
});
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await servers.stop();
});

/** Less patience than the run would need if its connections stayed where they were. */
const SLOW = {
  batchSize: 20,
  retryFor: '20s',
  limits: { sourceRequestsPerSecond: 10, sourceLoad: 0 },
};

async function proxied(...given: Parameters<typeof startTcpProxy>): Promise<TcpProxy> {
  const proxy = await startTcpProxy(...given);
  proxies.push(proxy);
  return proxy;
}

/** Exit 0, and the second server has the whole migration: what the first one was told after the switch is nothing. */
async function expectMovedTo(migration: Migration, running: ReturnType<typeof start>) {
  const ended = await running.ended;
  expect(ended.stderr).toMatch(/read.only/i);
  await expectMigrated(servers.onSecond(migration), ended);
}

describe(
  'A writer is demoted and keeps its connections, and the run goes on at the new one',
  PATIENT,
  () => {
    it('where the same address leads to it', async () => {
      const proxy = await proxied(servers.first.server.mysql);
      const at = { host: '127.0.0.1', port: proxy.port };
      const migration = await servers.adopt(await prepare(sample, {}), SLOW, at);
      const running = start(migration);
      await claimedOne(migration, running);
      await servers.failOver(migration);
      await running.shows(/read.only/i);
      proxy.redirect(servers.second.server.mysql);
      await expectMovedTo(migration, running);
    });

    it('where the name gets another address', async () => {
      const first = await proxied(servers.first.server.mysql);
      await proxied(servers.second.server.mysql, { port: first.port, address: '127.0.0.2' });
      const names = join(await mkdtemp(join(tmpdir(), 'names-')), 'names.json');
      const lead = (address: string) =>
        writeFile(names, JSON.stringify({ 'writer.test': address }));
      await lead('127.0.0.1');
      const at = { host: 'writer.test', port: first.port };
      const adopted = await servers.adopt(await prepare(sample, {}), SLOW, at);
      // The certificates of these servers are for localhost.
      const plain = { ES_MIGRATE_TRACKING_TLS: 'off' };
      const env = { ...adopted.project.env, ...plain, ES_MIGRATE_TEST_NAMES: names };
      const migration = { ...adopted, project: { ...adopted.project, env } };
      const running = start(migration, ['names.mjs']);
      await claimedOne(migration, running);
      await servers.failOver(migration);
      await running.shows(/read.only/i);
      await lead('127.0.0.2');
      await expectMovedTo(migration, running);
    });

    it('and a user who may write on a read-only server writes nothing there', async () => {
      const proxy = await proxied(servers.first.server.mysql);
      const at = { host: '127.0.0.1', port: proxy.port };
      const migration = await servers.adopt(await prepare(sample, {}), SLOW, at);
      const tool = new URL(migration.project.database.url).username;
      await servers.first.run(`GRANT READ ONLY ADMIN ON *.* TO '${tool}'@'%'`);
      const running = start(migration);
      await claimedOne(migration, running);
      // As Aurora does: the old writer comes back as a reader, and the name leads to it for a while.
      await proxy.down();
      await servers.failOver(migration);
      const written = () =>
        query(migration.project, 'SELECT * FROM batch_progress ORDER BY batch_id');
      const before = await written();
      await proxy.up();
      await running.shows(/the server is read-only: read_only is ON/);
      proxy.redirect(servers.second.server.mysql);
      expect((await running.ended).code).toBe(0);
      expect(await written()).toEqual(before);
      await expectNobodyPaid(servers.onSecond(migration));
    });
  },
);
