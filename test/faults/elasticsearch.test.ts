import { setTimeout as delay } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  startHttpProxy,
  type HttpProxy,
  type Rule,
  type Seen,
} from '../support/proxies/http-proxy.js';
import { runBinary } from '../support/binary.js';
import { sandbox } from '../support/sandbox.js';
import {
  claimedOne,
  expectGivenUp,
  expectMigrated,
  expectReleased,
  loadWeek,
  migrate,
  named,
  PATIENT,
  prepare,
  RANGE,
  start,
  type Sample,
} from './migration.js';
import { badGateway, firstOfEach, kindOf, refusedBy, SEARCHES, short, truncated } from './rules.js';

let sample: Sample;
let few: Sample;
beforeAll(async () => {
  sample = await loadWeek();
  few = await loadWeek({ messages: 12 });
});

const BUSY = 'es_rejected_execution_exception';
const LOST = refusedBy(404, 'search_context_missing_exception');
const BREAKER = refusedBy(429, 'circuit_breaking_exception');
const isHistory = ({ url }: Seen) => url.includes('message_history/');
const failures = [{ shard: 0, reason: { type: 'node_disconnected_exception', reason: 'r' } }];

const passing: readonly { fault: string; rule: () => Rule }[] = [
  { fault: '429', rule: () => firstOfEach(3, refusedBy(429, BUSY)) },
  {
    fault: '429 with Retry-After in seconds',
    rule: () => firstOfEach(2, refusedBy(429, BUSY, { 'retry-after': '1' })),
  },
  {
    fault: '503 with Retry-After as a date',
    rule: () => {
      const soon = new Date(Date.now() + 3000).toUTCString();
      return firstOfEach(2, refusedBy(503, 'cluster_block_exception', { 'retry-after': soon }));
    },
  },
  { fault: '503', rule: () => firstOfEach(3, refusedBy(503, 'cluster_block_exception')) },
  { fault: '502 of a gateway, in HTML', rule: () => firstOfEach(3, badGateway) },
  { fault: 'a reset in place of an answer', rule: () => firstOfEach(3, { do: 'reset-answer' }) },
  {
    fault: 'a reset in mid-body',
    rule: () => firstOfEach(3, { do: 'reset-mid-answer', share: 0.5 }),
  },
  {
    fault: 'JSON cut short, with 200 and a length that fits',
    rule: () => firstOfEach(2, truncated(0.7)),
  },
  { fault: 'an empty body with 200', rule: () => firstOfEach(2, truncated(0)) },
  {
    fault: 'failed shards with 200',
    rule: () =>
      firstOfEach(
        2,
        short({ _shards: { total: 2, successful: 1, failed: 1, failures } }),
        SEARCHES,
      ),
  },
  {
    fault: 'shards that said nothing, with 200',
    rule: () =>
      firstOfEach(2, short({ _shards: { total: 2, successful: 1, failed: 0 } }), SEARCHES),
  },
  { fault: 'timed_out with 200', rule: () => firstOfEach(2, short({ timed_out: true }), SEARCHES) },
  {
    fault: 'terminated_early with 200',
    rule: () => firstOfEach(2, short({ terminated_early: true }), SEARCHES),
  },
  {
    fault: 'a point in time that is lost before it is counted under',
    rule: () => firstOfEach(2, LOST, ['page']),
  },
  {
    fault: 'a point in time that is lost while ids are read',
    rule: () => {
      let pages = 0;
      return (seen) => (kindOf(seen) === 'page' && ++pages === 2 ? LOST : undefined);
    },
  },
  {
    fault: 'a circuit breaker that refuses pages of documents',
    rule: () => firstOfEach(3, BREAKER, ['read']),
  },
  {
    fault: 'answers that take three seconds',
    rule: () => firstOfEach(1, { do: 'delay', ms: 3000 }),
  },
];

async function withProxy(work: (proxy: HttpProxy) => Promise<void>): Promise<void> {
  const proxy = await startHttpProxy(sandbox().elasticsearch.url);
  try {
    await work(proxy);
  } finally {
    await proxy.close();
  }
}

describe.concurrent('Elasticsearch: a run completes, and no message pays, through', PATIENT, () => {
  it.each(named(passing))('%s', async (_, { rule }) => {
    await withProxy(async (proxy) => {
      proxy.use(rule());
      const migration = await prepare(sample, { source: proxy.url });
      await expectMigrated(migration, await migrate(migration));
      expect(proxy.troubled).toBeGreaterThan(0);
    });
  });

  it('a point in time that is lost while the records of a large message are read', async () => {
    await withProxy(async (proxy) => {
      let pages = 0;
      proxy.use((seen) => {
        // Refused together, its records are read page by page.
        if (isHistory(seen) && kindOf(seen) === 'read') return BREAKER;
        if (!proxy.requests.some((one) => isHistory(one) && kindOf(one) === 'open'))
          return undefined;
        return kindOf(seen) === 'page' && ++pages % 7 === 1 ? LOST : undefined;
      });
      const migration = await prepare(few, { source: proxy.url });
      // Without the verification, whose counts of records are refused here, too.
      expect((await runBinary(['extract', ...RANGE], migration.project)).code).toBe(0);
      await expectMigrated(migration, await runBinary(['process'], migration.project));
      expect(pages).toBeGreaterThan(7);
    });
  });

  it('connections refused for seconds', async () => {
    await withProxy(async (proxy) => {
      const settings = { limits: { sourceRequestsPerSecond: 15, sourceLoad: 0 } };
      const migration = await prepare(sample, { source: proxy.url, settings });
      const running = start(migration);
      await claimedOne(migration, running);
      await proxy.down();
      await running.shows(/trying again/);
      await delay(2000);
      await proxy.up();
      await expectMigrated(migration, await running.ended);
    });
  });
});

const RETRY_FOR = 5;
const lasting: readonly { fault: string; trouble: (proxy: HttpProxy) => unknown }[] = [
  { fault: 'connections refused', trouble: (proxy) => proxy.down() },
  { fault: '429', trouble: (proxy) => proxy.use(() => refusedBy(429, BUSY)) },
  {
    fault: '429 that asks for an hour',
    trouble: (proxy) => proxy.use(() => refusedBy(429, BUSY, { 'retry-after': '3600' })),
  },
  { fault: 'a gateway with nothing behind it', trouble: (proxy) => proxy.use(() => badGateway) },
  { fault: 'no answer at all', trouble: (proxy) => proxy.use(() => ({ do: 'hold' })) },
  {
    fault: 'half an answer, then silence',
    trouble: (proxy) => proxy.use(() => ({ do: 'stall-mid-answer' })),
  },
];

describe.concurrent(
  'Elasticsearch: a run ends with 5, released, and the next completes, after',
  PATIENT,
  () => {
    it.each(named(lasting))('%s, in mid-run', async (_, { trouble }) => {
      await withProxy(async (proxy) => {
        let since = 0;
        let read = 0;
        proxy.use((seen) => {
          if (kindOf(seen) === 'read' && ++read === 3) {
            since = performance.now();
            void trouble(proxy);
          }
          return undefined;
        });
        const settings = { retryFor: `${RETRY_FOR}s` };
        const migration = await prepare(sample, { source: proxy.url, settings });
        const ended = await migrate(migration);
        await expectGivenUp(migration, ended, { since, retryFor: RETRY_FOR });
        await expectReleased(migration);
        await expectMigrated(migration, await migrate(migration));
      });
    });

    it('points in time that are lost one after the other, while ids are read', async () => {
      await withProxy(async (proxy) => {
        proxy.use(firstOfEach(Infinity, LOST, ['page']));
        const migration = await prepare(sample, { source: proxy.url });
        const since = performance.now();
        const ended = await migrate(migration);
        expect(ended.stderr).toMatch(/one point in time after the other/);
        await expectGivenUp(migration, ended, { since, retryFor: 60 });
        await expectReleased(migration);
        await expectMigrated(migration, await migrate(migration));
      });
    });

    it('points in time that are lost one after the other, while a large message is read', async () => {
      await withProxy(async (proxy) => {
        proxy.use((seen) => {
          if (isHistory(seen) && kindOf(seen) === 'read') return BREAKER;
          const isRecords = proxy.requests.some((one) => isHistory(one) && kindOf(one) === 'open');
          return isRecords && kindOf(seen) === 'page' ? LOST : undefined;
        });
        const migration = await prepare(few, { source: proxy.url });
        const since = performance.now();
        await expectGivenUp(migration, await migrate(migration), { since, retryFor: 60 });
        await expectReleased(migration);
        await expectMigrated(migration, await migrate(migration));
      });
    });

    it('429: a storm is not answered by a storm', async () => {
      await withProxy(async (proxy) => {
        const asked = () => proxy.requests.filter((seen) => kindOf(seen) === 'read').length;
        proxy.use((seen) => (kindOf(seen) === 'read' ? refusedBy(429, BUSY) : undefined));
        const settings = { retryFor: '8s', concurrency: 4 };
        const migration = await prepare(sample, { source: proxy.url, settings });
        expect((await migrate(migration)).code).toBe(5);
        // 0.2 to 0.4 s, then doubled: at most six times in 8 s, and once when they are over; four batches are in flight.
        expect(asked()).toBeLessThanOrEqual(4 * 8);
        expect(asked()).toBeGreaterThan(4);
      });
    });
  },
);
