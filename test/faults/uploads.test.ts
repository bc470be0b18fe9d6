/** How many uploads are in flight at an S3 that takes its time, or asks for less. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  startHttpProxy,
  type Action,
  type Rule,
  type Seen,
} from '../support/proxies/http-proxy.js';
import { sandbox } from '../support/sandbox.js';
import {
  command,
  expectMigrated,
  loadWeek,
  PATIENT,
  prepare,
  RANGE,
  type Sample,
} from './migration.js';
import { refusedByS3 } from './rules.js';

const MESSAGES = 3_000;
const FAST = { sourceRequestsPerSecond: 0 };

let sample: Sample;
beforeAll(async () => {
  sample = await loadWeek({ messages: MESSAGES });
});

const isUpload = ({ method, url }: Seen) => method === 'PUT' && !url.includes('_es-migrate.json');

/** Processes the sample through a proxy; `act` says what becomes of an upload, by how many were in flight. */
async function migrated(
  limits: Record<string, unknown>,
  act: (inFlight: number) => Action | undefined,
  ...flags: string[]
) {
  const inFlight: number[] = [];
  const rule = (seen: Seen, now: number): Action | undefined => {
    if (!isUpload(seen)) return undefined;
    inFlight.push(now);
    return act(now);
  };
  const later: { rule: Rule } = { rule: () => undefined };
  const proxy = await startHttpProxy(sandbox().s3.endpoint, (seen) => later.rule(seen));
  later.rule = (seen) => rule(seen, proxy.inFlight);
  try {
    const settings = { batchSize: 500, limits: { ...FAST, ...limits } };
    const migration = await prepare(sample, { target: proxy.url, settings });
    const extracted = await command(migration, 'extract', ...RANGE);
    expect(extracted.code, extracted.stderr).toBe(0);
    const ended = await command(migration, 'process', ...flags);
    await expectMigrated(migration, ended);
    return { inFlight, stderr: ended.stderr };
  } finally {
    await proxy.close();
  }
}

const most = (numbers: readonly number[]) => Math.max(...numbers);
const after = (ms: number) => (): Action => ({ do: 'delay', ms });

describe('uploads in flight', PATIENT, () => {
  it('grow where S3 is far away, and are shown', async () => {
    // One upload takes longer than the time between two lines of progress.
    let seen = 0;
    const { inFlight, stderr } = await migrated({}, () =>
      after((seen += 1) === 100 ? 12_000 : 250)(),
    );
    expect(most(inFlight.slice(0, 32))).toBeLessThanOrEqual(32);
    expect(most(inFlight)).toBeGreaterThan(48);
    expect(most(inFlight)).toBeLessThanOrEqual(512);
    expect(stderr).toMatch(/uploads? in flight/);
  });

  it('are never more than limits.uploads', async () => {
    const { inFlight } = await migrated({ uploads: 5 }, after(5));
    expect(most(inFlight)).toBe(5);
  });

  it('are shared by the processes of a command', async () => {
    const { inFlight } = await migrated({ uploads: 9 }, after(5), '--processes', '2');
    expect(most(inFlight)).toBeLessThanOrEqual(8);
  });

  it('become fewer where S3 asks for less, and each message lands all the same, with few warnings', async () => {
    const slowDown = refusedByS3(503, 'SlowDown');
    const { inFlight, stderr } = await migrated({}, (now) => (now > 12 ? slowDown : undefined));
    const refused = inFlight.filter((now) => now > 12).length;
    expect(refused).toBeGreaterThan(0);
    expect(most(inFlight)).toBeLessThanOrEqual(33);
    expect(stderr.match(/SlowDown/g)?.length).toBeLessThan(refused);
  });
});
