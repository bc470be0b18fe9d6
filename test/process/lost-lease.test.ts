import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connect, type Connections } from '../../src/core/connect.js';
import { extract } from '../../src/core/extract/extract.js';
import { messageKey } from '../../src/core/objects/keys.js';
import type { Target } from '../../src/core/objects/target.js';
import { processBatches } from '../../src/core/process/process.js';
import type { TargetSettings } from '../../src/core/settings.js';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { requireHeld } from '../../src/core/tracking/claims.js';
import { LeaseLost } from '../../src/core/tracking/heartbeat.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { bulk, createIndex, never } from '../elasticsearch/support.js';
import { body, sandboxCredentials } from '../objects/s3.js';
import { readAll } from '../objects/contents.js';
import { quietRun, settingsFor } from '../support/core.js';
import { freshIndexPrefix, freshPrefix, sandbox } from '../support/sandbox.js';
import {
  batchRows,
  beginExtraction,
  claimed,
  clear,
  expireLease,
  freshTracking,
  messageRows,
  type Tracking,
} from '../support/tracking.js';
import { temporaryDirectory, withMethod } from './support.js';

let tracking: Tracking;
beforeAll(async () => {
  tracking = await freshTracking();
});
afterAll(() => tracking.drop());
beforeEach(async () => {
  await clear(tracking.database);
});
beforeEach(sandboxCredentials);

describe('a batch is ours', () => {
  test('while its lease runs, and no longer', async () => {
    const { database } = tracking;
    await (await beginExtraction(database)).store(['a']);
    const batch = await claimed(database);
    await requireHeld(database, batch);
    await expect(
      requireHeld(database, { ...batch, lease: newLease('other', 300) }),
    ).rejects.toThrow(LeaseLost);
    await expireLease(database, 'batch_progress', batch.lease.token);
    await expect(requireHeld(database, batch)).rejects.toThrow(LeaseLost);
  });

  test('until somebody has taken it over, or it is completed', async () => {
    const { database } = tracking;
    await (await beginExtraction(database)).store(['a']);
    const batch = await claimed(database);
    await expireLease(database, 'batch_progress', batch.lease.token);
    const successor = await claimed(database, 'worker:2');
    await expect(requireHeld(database, batch)).rejects.toThrow(LeaseLost);
    await requireHeld(database, successor);
    await database.change(`UPDATE batch_progress SET status = 'completed'`);
    await expect(requireHeld(database, successor)).rejects.toThrow(LeaseLost);
  });
});

const OTHER = '{"of":"somebody else"}';

/** Three messages of one batch, extracted, and another object where `b` is to be put. */
async function prepared(target: TargetSettings, warnings: string[]) {
  const index = `${freshIndexPrefix()}messages`;
  await createIndex(index, { properties: { timestamp: { type: 'date' } } });
  const source = (n: number) => `{"timestamp":"2024-10-01T12:00:00Z","n":${n}}`;
  await bulk(
    index,
    ['a', 'b', 'c'].map((id, i) => ({ id, source: source(i) })),
  );
  const settings = settingsFor(tracking, {
    target,
    source: {
      urls: [sandbox().elasticsearch.url],
      insecure: false,
      index,
      dateField: 'timestamp',
      related: [],
    },
  });
  const run = quietRun((event) => {
    if (event.type === 'log' && event.level === 'warn') warnings.push(event.message);
  });
  const on = await connect(settings, { source: true, target: true }, run);
  const interval = { from: Date.UTC(2024, 9, 1), to: Date.UTC(2024, 9, 2) };
  await extract(run, on, { ...interval, startDate: undefined, slices: 1, dryRun: false });
  const key = messageKey({ id: 'b' }, target.kind);
  await on.target.put(key, await body(OTHER), never);
  return {
    run,
    on,
    key,
    index,
    document: `{"message_id":"b","index":"${index}","message":${source(1)}}`,
  };
}

/** Connections whose target awaits `before` when this key is put. */
function disturbed(on: Connections, key: string, before: () => Promise<unknown>): Connections {
  const { target } = on;
  const put: Target['put'] = async (one, ...rest) => {
    if (one === key) await before();
    return target.put(one, ...rest);
  };
  const { settings, database, hasSchema, policy, leases, source, indices, related, prefix } = on;
  return {
    ...{ settings, database, hasSchema, policy, leases, source, indices, related, prefix },
    target: withMethod(target, 'put', put),
    queue: undefined,
    close: () => on.close(),
  };
}

const OPTIONS = {
  concurrency: 1,
  maxBatches: undefined,
  maxRuntimeMs: undefined,
  watch: false,
  retryFailed: false,
};

describe.each(['s3', 'file'] as const)('an object that is already there, in %s', (kind) => {
  async function targetSettings(): Promise<TargetSettings> {
    if (kind === 'file') return { kind, layout: 'message', directory: await temporaryDirectory() };
    const { endpoint, bucket, region } = sandbox().s3;
    const place = { endpoint, bucket, region, prefix: freshPrefix() };
    return { kind, layout: 'message', forcePathStyle: true, insecure: false, ...place };
  }

  test('stays where the batch was taken over meanwhile: nothing is changed, nothing is thrown', async () => {
    const warnings: string[] = [];
    const { run, on, key } = await prepared(await targetSettings(), warnings);
    const { database } = tracking;
    let successor: string | undefined;
    const takenOver = disturbed(on, key, async () => {
      if (successor !== undefined) return;
      const [batch] = await batchRows(database);
      await expireLease(database, 'batch_progress', batch?.lease_token ?? '');
      successor = (await claimBatch(database, 'worker:2', 300))?.lease.token;
    });
    const outcome = await processBatches(run, takenOver, OPTIONS);
    expect(outcome).toMatchObject({ completed: 0, failed: 0, heldByOthers: 1 });
    const [left] = await batchRows(database);
    expect(warnings).toEqual([
      `batch ${left?.batch_id ?? 0} is left to others: the lease was lost: it has run out`,
    ]);
    expect((await readAll(await on.target.get(on.target.urlOf(key), never))).toString()).toBe(
      OTHER,
    );
    expect(await batchRows(database)).toMatchObject([
      { status: 'in_progress', lease_token: successor, claims: 2, processed: 0, failed: 0 },
    ]);
    for (const row of await messageRows(database))
      expect(row).toMatchObject({ status: 'in_progress', s3_path: null, attempts: 0 });
    await on.close();
  });

  test('is not replaced under a lease that has run out, but by the next claim', async () => {
    const warnings: string[] = [];
    const { run, on, key, document } = await prepared(await targetSettings(), warnings);
    const { database } = tracking;
    let puts = 0;
    const delayed = disturbed(on, key, async () => {
      puts += 1;
      const [batch] = await batchRows(database);
      if (puts === 1) await expireLease(database, 'batch_progress', batch?.lease_token ?? '');
    });
    const outcome = await processBatches(run, delayed, OPTIONS);
    expect(outcome).toMatchObject({ completed: 3, failed: 0, remaining: 0 });
    expect(puts).toBe(2);
    expect(warnings).toHaveLength(1);
    expect(await batchRows(database)).toMatchObject([{ status: 'completed', claims: 2 }]);
    const stored = await readAll(await on.target.get(on.target.urlOf(key), never));
    expect(stored.toString()).toBe(document);
    await on.close();
  });
});
