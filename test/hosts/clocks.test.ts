import { describe, expect, it } from 'vitest';
import { query } from '../end-to-end/landed.js';
import { runBinary, startBinary, type BinaryOptions } from '../support/binary.js';
import { auditLeases, handOvers } from '../support/lease-audit.js';
import { makeProject } from '../support/project.js';
import { sandbox } from '../support/sandbox.js';
import { until } from '../support/until.js';
import { compareAll } from '../support/whole.js';
import { holdingProxy } from './holding-proxy.js';
import { loadMessages, RANGE } from './messages.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/** A host whose clock is so far ahead, or behind. */
function hostWithClock(options: BinaryOptions, aheadMs: number): BinaryOptions {
  const { cwd, env } = options;
  return {
    cwd,
    env: { ...env, ES_MIGRATE_TEST_CLOCK_MS: String(aheadMs) },
    preload: ['clock.mjs'],
  };
}

describe('hosts whose clocks are a day apart', () => {
  it.each(['message', 'batch'] as const)('share one database, layout %s', async (layout) => {
    const messages = await loadMessages({ count: 300 });
    const settings = { batchSize: 10, concurrency: 2, leaseSeconds: 20 };
    const project = await makeProject({ indices: messages.indices, layout, settings });
    const fast = hostWithClock(project, DAY_MS);
    const slow = hostWithClock(project, -DAY_MS);
    const extraction = await runBinary(['extract', ...RANGE], slow);
    expect(extraction.code, extraction.stderr).toBe(0);
    await auditLeases(project);

    const hosts = [fast, slow, project];
    const ends = await Promise.all(hosts.map((host) => runBinary(['process'], host)));

    for (const { code, stderr } of ends) expect([0, 4], stderr).toContain(code);
    expect(await handOvers(project)).toEqual({ takeovers: 0, stolen: 0 });
    const whole = await compareAll(project, messages.expected, { layout });
    expect(whole.wrong).toEqual([]);
    expect(whole.takeovers).toBe(0);
    expect(
      await query(project, 'SELECT start_date, end_date, next_run_date FROM job_runs'),
    ).toEqual([
      {
        start_date: new Date('2024-10-01T00:00:00Z'),
        end_date: new Date('2024-10-08T00:00:00Z'),
        next_run_date: new Date('2024-10-08T00:00:00Z'),
      },
    ]);
  });

  it('take no live lease away, by reset-stuck or by process', async () => {
    const messages = await loadMessages({ count: 20 });
    const settings = { batchSize: 20, leaseSeconds: 3 };
    const project = await makeProject({ indices: messages.indices, settings });
    expect((await runBinary(['extract', ...RANGE], project)).code).toBe(0);
    await auditLeases(project);
    const proxy = await holdingProxy(sandbox().s3.endpoint, 'all');
    await project.configure({ ...settings, target: { endpoint: proxy.endpoint } });
    const owner = startBinary(['process'], hostWithClock(project, -DAY_MS));
    await proxy.held;
    await project.configure(settings);

    const fast = hostWithClock(project, DAY_MS);
    // Longer than its lease: it lives by its heartbeat.
    const renewals = new Set<string>();
    const renewedFor = async (count: number) => {
      const rows = await query(
        project,
        'SELECT CAST(lease_expires_at AS CHAR) AS at FROM batch_progress',
      );
      renewals.add(String(rows[0]?.['at']));
      return renewals.size > count;
    };
    await until(() => renewedFor(4), 'its fourth heartbeat');
    for (const host of [fast, project]) {
      const reset = await runBinary(['reset-stuck', '--older-than', '0s', '--json'], host);
      expect(reset.code, reset.stderr).toBe(0);
      expect(JSON.parse(reset.stdout)).toMatchObject({ batches: [], extractions: [] });
    }
    const other = await runBinary(['process'], fast);
    expect(other.code, other.stderr).toBe(4);

    await proxy.release();
    const ended = await owner.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(await handOvers(project)).toEqual({ takeovers: 0, stolen: 0 });
    const whole = await compareAll(project, messages.expected, { layout: 'message' });
    expect(whole.wrong).toEqual([]);
    expect(whole.takeovers).toBe(0);
  });

  it('end a range without --to where their own clock stands', async () => {
    const messages = await loadMessages({ count: 10 });
    const project = await makeProject({ indices: messages.indices, settings: { settle: '15m' } });
    const slow = hostWithClock(project, -DAY_MS);
    const before = Date.now();
    const extraction = await runBinary(['extract', '--from', '2024-10-01', '--json'], slow);
    expect(extraction.code, extraction.stderr).toBe(0);
    const { to } = JSON.parse(extraction.stdout) as { to: string };
    const settled = before - DAY_MS - 15 * 60_000;
    expect(Date.parse(to)).toBeGreaterThanOrEqual(settled);
    expect(Date.parse(to)).toBeLessThan(settled + 60_000);
  });
});
