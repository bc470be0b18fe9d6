import { beforeAll, describe, expect, it } from 'vitest';
import { startSandbox } from '../../sandbox/index.js';
import {
  claimedOne,
  command,
  expectGivenUp,
  expectMigrated,
  expectReleased,
  loadWeek,
  migrate,
  PATIENT,
  prepare,
  start,
  type Sample,
} from '../faults/migration.js';
import { firstOfEach, kindOf, SEARCHES } from '../faults/rules.js';
import { startHttpProxy } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';

let sample: Sample;
beforeAll(async () => {
  sample = await loadWeek();
});

/** Slow enough to be troubled in the middle. */
const SLOW = { limits: { sourceRequestsPerSecond: 10, sourceLoad: 0 } };

describe('faults that take their time', PATIENT, () => {
  it('Elasticsearch is killed in mid-run and comes back on its data: the run completes', async () => {
    const server = await startSandbox({ servers: ['elasticsearch'] });
    try {
      const { url } = server.elasticsearch;
      const own = await loadWeek({ messages: 600, url });
      await fetch(`${url}/_flush`, { method: 'POST' });
      const migration = await prepare(own, {
        source: url,
        settings: { ...SLOW, retryFor: '300s' },
      });
      const running = start(migration);
      await claimedOne(migration, running);
      await server.kill('elasticsearch');
      await running.shows(/trying again/);
      await server.restart('elasticsearch');
      await expectMigrated(migration, await running.ended);
    } finally {
      await server.stop();
    }
  });

  it('Elasticsearch is killed while ids are read, its points in time with it: the run completes', async () => {
    const server = await startSandbox({ servers: ['elasticsearch'] });
    const proxy = await startHttpProxy(server.elasticsearch.url);
    try {
      const own = await loadWeek({ url: server.elasticsearch.url });
      await fetch(`${server.elasticsearch.url}/_flush`, { method: 'POST' });
      let pages = 0;
      let restarted: Promise<void> | undefined;
      proxy.use((seen) => {
        // The first counts under the point in time, the second would read a page.
        if (kindOf(seen) !== 'page' || ++pages !== 2) return undefined;
        restarted = server.kill('elasticsearch').then(() => server.restart('elasticsearch'));
        return { do: 'reset-request', afterBytes: 0 };
      });
      const migration = await prepare(own, { source: proxy.url, settings: { retryFor: '300s' } });
      await expectMigrated(migration, await migrate(migration));
      await restarted;
      expect(pages).toBeGreaterThan(3);
    } finally {
      await proxy.close();
      await server.stop();
    }
  });

  it('Elasticsearch answers after 65 s: the run completes', async () => {
    const proxy = await startHttpProxy(sandbox().elasticsearch.url);
    try {
      const late = firstOfEach(1, { do: 'delay', ms: 65_000 }, SEARCHES);
      let asked = 0;
      proxy.use((seen) => {
        asked += 1;
        return late(seen);
      });
      const migration = await prepare(sample, {
        source: proxy.url,
        settings: { retryFor: '120s' },
      });
      const ended = await migrate(migration);
      await expectMigrated(migration, ended);
      expect(asked).toBeGreaterThan(0);
      // Waited for, not asked again.
      expect(ended.stderr).not.toMatch(/trying again/);
    } finally {
      await proxy.close();
    }
  });

  it('S3 says nothing any more: it ends with 5, released, and the next run completes', async () => {
    const proxy = await startHttpProxy(sandbox().s3.endpoint);
    try {
      const settings = { retryFor: '5s' };
      const migration = await prepare(sample, { target: proxy.url, layout: 'batch', settings });
      expect((await command(migration, 'db', 'migrate')).code).toBe(0);
      let since = 0;
      let uploads = 0;
      proxy.use(({ method, url }) => {
        if (method !== 'PUT' || url.includes('_es-migrate.json') || ++uploads < 2) return undefined;
        if (since === 0) since = performance.now();
        return { do: 'hold' };
      });
      const ended = await migrate(migration);
      await expectGivenUp(migration, ended, { since, retryFor: 5 });
      await expectReleased(migration);
      await expectMigrated(migration, await command(migration, 'process'));
    } finally {
      await proxy.close();
    }
  });
});
