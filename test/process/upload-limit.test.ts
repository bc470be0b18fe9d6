import { describe, expect, test } from 'vitest';
import { Fault } from '../../src/core/fault.js';
import { UploadLimit } from '../../src/core/process/upload-limit.js';
import type { RunEvent } from '../../src/core/run.js';
import { never } from '../elasticsearch/support.js';

const policy = { retryForMs: 60_000, report: () => undefined };
const limitOf = (most: number) => new UploadLimit({ most, now: () => performance.now() });
const turnOfLoop = () => new Promise(setImmediate);
const slowDown = () =>
  new Fault('S3', 'retriable', 'SlowDown', 'reduce your request rate', { status: 503 });

/** Uploads that end when told to. */
class Uploads {
  readonly ends: ((error?: Error) => void)[] = [];
  readonly put = (): Promise<void> =>
    new Promise((resolve, reject) => {
      this.ends.push((error) => (error ? reject(error) : resolve()));
    });
}

describe('uploads', () => {
  test('begin in their order, no more at once than are allowed', async () => {
    const limit = limitOf(2);
    const uploads = new Uploads();
    const all = Array.from({ length: 5 }, () => limit.run(policy, uploads.put, never));
    for (let ended = 0; ended < 5; ended += 1) {
      await turnOfLoop();
      expect(uploads.ends).toHaveLength(Math.min(5, ended + 2));
      expect(limit.inFlight).toBe(Math.min(2, 5 - ended));
      uploads.ends[ended]?.();
    }
    await Promise.all(all);
    expect(limit.inFlight).toBe(0);
  });

  test('of a batch that is over are not begun any more; others take their places', async () => {
    const limit = limitOf(1);
    const uploads = new Uploads();
    const over = new AbortController();
    const first = limit.run(policy, uploads.put, never);
    const gone = Array.from({ length: 3 }, () => limit.run(policy, uploads.put, over.signal));
    const last = limit.run(policy, uploads.put, never);
    const settled = Promise.allSettled(gone);
    over.abort(new Error('the lease was lost'));
    expect((await settled).map((one): unknown => one.status === 'rejected' && one.reason)).toEqual(
      Array.from({ length: 3 }, () => new Error('the lease was lost')),
    );
    uploads.ends[0]?.();
    await first;
    await turnOfLoop();
    expect(uploads.ends).toHaveLength(2);
    uploads.ends[1]?.();
    await last;
  });

  test('that are all aborted while none is in flight leave nothing that others wait behind', async () => {
    const limit = limitOf(1);
    const over = new AbortController();
    const uploads = new Uploads();
    const all = Array.from({ length: 3 }, () => limit.run(policy, uploads.put, over.signal));
    const settled = Promise.allSettled(all);
    over.abort();
    uploads.ends[0]?.(new Error('aborted'));
    await settled;
    expect(await limit.run(policy, () => Promise.resolve('put'), never)).toBe('put');
  });

  test('that are refused make fewer allowed, once for all in flight; no new one begins in their place', async () => {
    const limit = limitOf(512);
    const tries: number[] = [];
    const uploads = new Uploads();
    let refused = 0;
    const put = async (i: number) => {
      tries.push(i);
      if (i < 32 && tries.filter((one) => one === i).length === 1) {
        await uploads.put();
      }
    };
    const all = Array.from({ length: 40 }, (_, i) => limit.run(policy, () => put(i), never));
    await turnOfLoop();
    expect(tries).toHaveLength(32);
    for (const end of uploads.ends) {
      refused += 1;
      end(slowDown());
    }
    expect(refused).toBe(32);
    await turnOfLoop();
    expect([limit.allowed, limit.inFlight, limit.lastReason]).toEqual([16, 0, 'SlowDown']);
    expect(tries).toHaveLength(32);
    await Promise.all(all);
    // The first of those that had not begun came when fewer than 16 of the others were left.
    expect(tries.indexOf(32)).toBeGreaterThanOrEqual(32 + 17);
    expect(tries).toHaveLength(32 + 40);
    expect(limit.allowed).toBe(16);
  });

  test.each([
    ['SlowDown', 503, 16],
    ['ServiceUnavailable', 503, 16],
    ['TooManyRequests', 429, 16],
    ['RequestTimeout', 400, 16],
    ['TimeoutError', undefined, 16],
    ['ECONNREFUSED', undefined, 32],
    ['InternalError', 500, 32],
  ])('%s: %s, then %i', async (code, status, allowed) => {
    const limit = limitOf(512);
    let tries = 0;
    const put = () => {
      tries += 1;
      const fault = new Fault('S3', 'retriable', code, 'no', { status });
      return tries === 1 ? Promise.reject(fault) : Promise.resolve();
    };
    await limit.run(policy, put, never);
    expect(limit.allowed).toBe(allowed);
  });

  test('that meet the same trouble at once are one warning', async () => {
    const limit = limitOf(512);
    const events: RunEvent[] = [];
    const told = { ...policy, report: (event: RunEvent) => events.push(event) };
    const tries = new Map<number, number>();
    const all = Array.from({ length: 20 }, (_, i) =>
      limit.run(
        told,
        () => {
          tries.set(i, (tries.get(i) ?? 0) + 1);
          return tries.get(i) === 1 ? Promise.reject(slowDown()) : Promise.resolve();
        },
        never,
      ),
    );
    await Promise.all(all);
    const logged = events.flatMap((event) => (event.type === 'log' ? event.level : []));
    expect(logged.filter((level) => level === 'warn')).toHaveLength(1);
    expect(logged.filter((level) => level === 'debug')).toHaveLength(19);
  });

  test('by ten thousands wait in constant time', async () => {
    const limit = limitOf(8);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 50_000 }, (_, i) =>
        limit.run(policy, () => Promise.resolve(order.push(i)), never),
      ),
    );
    expect(order).toEqual(Array.from({ length: 50_000 }, (_, i) => i));
  });
});
