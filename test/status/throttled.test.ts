import { beforeAll, expect, test } from 'vitest';
import { query } from '../end-to-end/landed.js';
import {
  command,
  expectMigrated,
  loadWeek,
  prepare,
  start,
  type Migration,
  type Sample,
} from '../faults/migration.js';
import { kindOf, refusedBy } from '../faults/rules.js';
import { startHttpProxy, type Action } from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';

interface Throttled {
  readonly owner: string;
  readonly share: number;
  readonly inFlight: number;
  readonly requestsPerSecond: number;
  readonly reason: string;
  readonly since: string;
}

let sample: Sample;
beforeAll(async () => {
  sample = await loadWeek();
});

async function throttled(migration: Migration): Promise<readonly Throttled[]> {
  const { code, stdout, stderr } = await command(migration, 'status', '--json');
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as { throttled: readonly Throttled[] }).throttled;
}

const rows = ({ project }: Migration) => query(project, 'SELECT * FROM source_limits');

const troubles: readonly [string, Action, Record<string, unknown>][] = [
  [
    'too many requests',
    refusedBy(429, 'es_rejected_execution_exception'),
    { sourceRequestsPerSecond: 40, sourceLoad: 0 },
  ],
  [
    'slow answers',
    { do: 'delay', ms: 400 },
    { sourceRequestsPerSecond: 40, sourceLoad: 0, sourceLatencyTarget: '200ms' },
  ],
];

test.each(troubles)(
  'status shows who is slowed down, and why, while it lasts: %s',
  async (reason, trouble, limits) => {
    const proxy = await startHttpProxy(sandbox().elasticsearch.url);
    try {
      // From the first request of the extraction on: preflight alone passes.
      let troubling = true;
      proxy.use((seen) => (troubling && kindOf(seen) !== 'inspect' ? trouble : undefined));
      const migration = await prepare(sample, { source: proxy.url, settings: { limits } });
      const running = start(migration);
      await running.shows(/asked for less/);
      await until(async () => (await rows(migration).catch(() => [])).length > 0, 'a row');
      const [one, ...others] = await throttled(migration);
      expect(others).toEqual([]);
      expect(one).toMatchObject({ reason });
      expect(one?.owner).toMatch(new RegExp(`:${running.child.pid ?? 0}$`));
      expect(one?.share).toBeLessThan(1);
      expect(one?.requestsPerSecond).toBe((one?.share ?? 0) * 40);
      expect(Date.parse(one?.since ?? '')).toBeLessThanOrEqual(Date.now());

      // Where the first searches are refused, there is no job yet.
      const { stdout } = await command(migration, 'status');
      expect(stdout).toMatch(
        new RegExp(`:${running.child.pid ?? 0} slowed down \\d+ s ago and is at \\d+ %: ${reason}`),
      );

      troubling = false;
      const ended = await running.ended;
      await expectMigrated(migration, ended);
      expect(ended.stderr.match(/asked for less/g)).toHaveLength(1);
      expect(await rows(migration)).toEqual([]);
      expect(await throttled(migration)).toEqual([]);
    } finally {
      await proxy.close();
    }
  },
  120_000,
);
