import { ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { createSampleIndices, sampleIndices } from '../../sandbox/sample.js';
import { change, query } from '../end-to-end/landed.js';
import { startBinary, type Preload } from '../support/binary.js';
import {
  startHttpProxy,
  type Action,
  type HttpProxy,
  type Rule,
  type Seen,
} from '../support/proxies/http-proxy.js';
import { freshIndexPrefix, sandbox } from '../support/sandbox.js';
import type { Project } from '../support/project.js';
import { until } from '../support/until.js';
import {
  command,
  expectGivenUp,
  expectMigrated,
  expectNobodyPaid,
  expectReleased,
  loadWeek,
  migrate,
  named,
  PATIENT,
  prepare,
  RANGE,
  start,
  straighten,
  type Sample,
} from './migration.js';
import { badGateway, refusedByS3 } from './rules.js';

let sample: Sample;
let large: Sample;
beforeAll(async () => {
  [sample, large] = await Promise.all([loadWeek(), loadLarge()]);
});

const isMarker = ({ url }: Seen) => url.includes('_es-migrate.json');
const isUpload = (seen: Seen) => seen.method === 'PUT' && !isMarker(seen);
const isPart = (seen: Seen) => seen.method === 'PUT' && seen.url.includes('partNumber=');
const isCompletion = ({ method, url }: Seen) => method === 'POST' && url.includes('uploadId=');

/** The first `times` requests that match meet the fault, all later ones pass. */
function first(times: number, matches: (seen: Seen) => boolean, action: Action): Rule {
  let met = 0;
  return (seen) => (matches(seen) && ++met <= times ? action : undefined);
}

/** The first uploads, and the first two requests of the claim of the prefix: those come one after the other. */
function firstOfBoth(times: number, action: Action): Rule {
  const uploads = first(times, isUpload, action);
  const claims = first(2, isMarker, action);
  return (seen) => uploads(seen) ?? claims(seen);
}

const SLOW_DOWN = refusedByS3(503, 'SlowDown');

const passing: readonly { fault: string; rule: () => Rule; clockMs?: number }[] = [
  { fault: 'a storm of SlowDown', rule: () => firstOfBoth(24, SLOW_DOWN) },
  {
    fault: 'SlowDown with Retry-After',
    rule: () => firstOfBoth(20, refusedByS3(503, 'SlowDown', { 'retry-after': '1' })),
  },
  { fault: '500', rule: () => firstOfBoth(20, refusedByS3(500, 'InternalError')) },
  { fault: '502 of a gateway, in HTML', rule: () => firstOfBoth(20, badGateway) },
  {
    fault: 'resets after half of the body',
    rule: () => first(20, isUpload, { do: 'reset-request', afterBytes: 100 }),
  },
  {
    fault: 'resets when the object is stored, unheard',
    rule: () => firstOfBoth(20, { do: 'reset-answer' }),
  },
  {
    fault: 'bodies that arrive damaged',
    rule: () => first(20, isUpload, { do: 'damage-request' }),
  },
  {
    fault: 'a token that has expired, once',
    rule: () => first(1, isUpload, refusedByS3(400, 'ExpiredToken')),
  },
  { fault: 'a clock 20 minutes slow', rule: () => () => undefined, clockMs: -20 * 60_000 },
  { fault: 'a clock 20 minutes fast', rule: () => () => undefined, clockMs: 20 * 60_000 },
];

async function withProxy(work: (proxy: HttpProxy) => Promise<void>): Promise<void> {
  const proxy = await startHttpProxy(sandbox().s3.endpoint);
  try {
    await work(proxy);
  } finally {
    await proxy.close();
  }
}

describe.concurrent('S3: a run completes, and no message pays, through', PATIENT, () => {
  const rows = passing.flatMap((one) =>
    (['message', 'batch'] as const).map((layout) => ({ ...one, layout })),
  );
  it.each(named(rows.map((row) => ({ ...row, fault: `${row.fault}, layout ${row.layout}` }))))(
    '%s',
    async (_, { rule, layout, clockMs }) => {
      await withProxy(async (proxy) => {
        proxy.use(rule());
        const migration = await prepare(sample, { target: proxy.url, layout });
        const { project } = migration;
        if (clockMs !== undefined) project.env['ES_MIGRATE_TEST_CLOCK_MS'] = String(clockMs);
        const preload: Preload[] = clockMs === undefined ? [] : ['clock.mjs'];
        await expectMigrated(migration, await start(migration, preload).ended);
      });
    },
  );
});

const RETRY_FOR = 5;
const lasting: readonly { fault: string; trouble: (proxy: HttpProxy) => unknown }[] = [
  { fault: 'connections refused', trouble: (proxy) => proxy.down() },
  { fault: 'SlowDown', trouble: (proxy) => proxy.use(() => SLOW_DOWN) },
  {
    fault: 'SlowDown that asks for an hour',
    trouble: (proxy) => proxy.use(() => refusedByS3(503, 'SlowDown', { 'retry-after': '3600' })),
  },
];

describe.concurrent(
  'S3: a run ends with 5, released, and the next completes, after',
  PATIENT,
  () => {
    it.each(named(lasting))('%s, in mid-run', async (_, { trouble }) => {
      await withProxy(async (proxy) => {
        let since = 0;
        let uploads = 0;
        proxy.use((seen) => {
          if (isUpload(seen) && ++uploads === 2) {
            since = performance.now();
            void trouble(proxy);
          }
          return undefined;
        });
        const settings = { retryFor: `${RETRY_FOR}s` };
        const migration = await prepare(sample, { target: proxy.url, layout: 'batch', settings });
        const ended = await migrate(migration);
        await expectGivenUp(migration, ended, { since, retryFor: RETRY_FOR });
        await expectReleased(migration);
        await expectMigrated(migration, await command(migration, 'process'));
      });
    });

    it('permission taken away in mid-run: with 2, in one clear line', async () => {
      await withProxy(async (proxy) => {
        let uploads = 0;
        proxy.use((seen) =>
          isUpload(seen) && ++uploads > 2 ? refusedByS3(403, 'AccessDenied') : undefined,
        );
        const migration = await prepare(sample, { target: proxy.url, layout: 'batch' });
        const { code, stderr } = await migrate(migration);
        expect(code, stderr).toBe(2);
        expect(stderr).toMatch(/^es-migrate: S3 denied PUT .*AccessDenied/m);
        await expectReleased(migration);
        await expectNobodyPaid(migration);
        await straighten(migration);
        await expectMigrated(migration, await command(migration, 'process'));
      });
    });
  },
);

describe.concurrent('S3: no part of a large object is left behind by', PATIENT, () => {
  it.each<{ fault: string; rule: () => Rule }>([
    {
      fault: 'a part that breaks off',
      rule: () => first(2, isPart, { do: 'reset-request', afterBytes: 1 << 20 }),
    },
    {
      fault: 'a part that arrives damaged',
      rule: () => first(2, isPart, { do: 'damage-request' }),
    },
    { fault: 'SlowDown for parts', rule: () => first(4, isPart, SLOW_DOWN) },
    { fault: 'a completion that is refused', rule: () => first(2, isCompletion, SLOW_DOWN) },
    { fault: 'a completion unheard', rule: () => first(1, isCompletion, { do: 'reset-answer' }) },
  ])('$fault', async ({ rule }) => {
    await withProxy(async (proxy) => {
      proxy.use(rule());
      const migration = await prepare(large, { target: proxy.url });
      await expectMigrated(migration, await migrate(migration));
      expect(await unfinished(migration.project)).toEqual([]);
    });
  });

  it('an abort that fails, too', async () => {
    await withProxy(async (proxy) => {
      const parts = first(2, isPart, { do: 'reset-answer' });
      proxy.use((seen) => (seen.method === 'DELETE' ? SLOW_DOWN : parts(seen)));
      const migration = await prepare(large, { target: proxy.url });
      expect((await command(migration, 'extract', ...RANGE)).code).toBe(0);
      expect((await command(migration, 'process')).code).toBe(0);
      expect(await unfinished(migration.project)).not.toEqual([]);
      await straighten(migration);
      await expectMigrated(migration, await command(migration, 'process'));
      expect(await unfinished(migration.project)).toEqual([]);
    });
  });

  it('an endpoint that is down in the middle of it', async () => {
    await withProxy(async (proxy) => {
      let parts = 0;
      proxy.use((seen) => {
        if (isPart(seen) && ++parts === 2) void proxy.down();
        return undefined;
      });
      const settings = { retryFor: '3s' };
      const migration = await prepare(large, { target: proxy.url, settings });
      expect((await migrate(migration)).code).toBe(5);
      expect(await unfinished(migration.project)).toHaveLength(1);
      await expectReleased(migration);
      await straighten(migration);
      await expectMigrated(migration, await migrate(migration));
      expect(await unfinished(migration.project)).toEqual([]);
    });
  });

  it('a process that was killed; those of a live lease are left alone', async () => {
    const migration = await prepare(large, {});
    const { project } = migration;
    const killed = { ...project.env, ES_MIGRATE_TEST_STOP_AT: 'SIGKILL part-uploaded 1' };
    const running = start({ ...migration, project: { ...project, env: killed } }, ['stop-at.mjs']);
    expect((await running.ended).code).toBe(137);
    expect(await unfinished(project)).toHaveLength(1);
    // Somebody might be at work on it, for all that is known of a process of another host.
    await change(project, 'UPDATE batch_progress SET lease_process = NULL');
    expect((await command(migration, 'process')).code).toBe(4);
    expect(await unfinished(project)).toHaveLength(1);
    await change(
      project,
      'UPDATE batch_progress SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND',
    );
    await change(project, 'UPDATE job_runs SET lease_expires_at = NULL, lease_token = NULL');
    await expectMigrated(migration, await migrate(migration));
    expect(await unfinished(project)).toEqual([]);
  });

  it('anybody, where they may not be listed: the run goes on without a word', async () => {
    await withProxy(async (proxy) => {
      const denied = refusedByS3(403, 'AccessDenied');
      proxy.use(({ url }) => (/[?&]uploads/.test(url) && !/^POST/.test(url) ? denied : undefined));
      const migration = await prepare(sample, { target: proxy.url });
      const ended = await migrate(migration);
      await expectMigrated(migration, ended);
      expect(proxy.troubled).toBeGreaterThan(0);
      expect(ended.stderr).not.toMatch(/(WARN|ERROR|es-migrate): .*upload/);
    });
  });
});

/** Keys of uploads begun and neither completed nor aborted, by a client of our own. */
async function unfinished(project: Project): Promise<string[]> {
  const { endpoint, region, accessKeyId, secretAccessKey } = sandbox().s3;
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  try {
    const Bucket = new URL(project.urlPrefix).hostname;
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
    return Uploads.map(({ Key = '' }) => Key);
  } finally {
    client.destroy();
  }
}

/** One message of 24 MB among small ones: its object goes up in three parts. */
async function loadLarge(): Promise<Sample> {
  const { url } = sandbox().elasticsearch;
  const prefix = freshIndexPrefix();
  const { messages } = sampleIndices(prefix);
  await createSampleIndices(url, prefix);
  const expected = new Map<string, { index: string; id: string; document: string }>();
  const put = async (id: string, text: string) => {
    const source = `{"timestamp":"2024-10-02T10:00:00Z","text":"${text}"}`;
    const answer = await fetch(`${url}/${messages}/_doc/${id}?refresh=true`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: source,
    });
    expect(answer.status).toBe(201);
    const document = `{"message_id":"${id}","index":"${messages}","message":${source},"history":[],"status":[],"audit":[]}`;
    expected.set(`${messages}\n${id}`, { index: messages, id, document });
  };
  await put('large', randomBytes(12 << 20).toString('hex'));
  for (let i = 1; i <= 5; i += 1) await put(`small-${i}`, 'x');
  return { prefix, expected };
}

describe.concurrent('An S3 that does not answer', PATIENT, () => {
  it.each([
    { layout: 'message', uploads: 32 },
    { layout: 'batch', uploads: 2 },
  ] as const)('is not read ahead of, layout $layout', async ({ layout, uploads }) => {
    const source = await startHttpProxy(sandbox().elasticsearch.url);
    try {
      await withProxy(async (target) => {
        const migration = await prepare(sample, {
          layout,
          source: source.url,
          target: target.url,
          settings: { concurrency: 2 },
        });
        expect((await command(migration, 'extract', ...RANGE)).code).toBe(0);
        target.use((seen) => (isUpload(seen) ? { do: 'hold' } : undefined));
        const running = startBinary(['process'], migration.project);
        const claimed = () =>
          query(migration.project, 'SELECT 1 FROM batch_progress WHERE claims > 0');
        await until(
          async () =>
            target.requests.filter(isUpload).length === uploads &&
            source.inFlight === 0 &&
            (await claimed()).length === 2,
          'uploads of two batches, and nothing but them',
        );
        running.child.kill('SIGKILL');
        await running.ended;
        expect(await claimed()).toHaveLength(2);
        expect(target.requests.filter(isUpload)).toHaveLength(uploads);
      });
    } finally {
      await source.close();
    }
  });
});
