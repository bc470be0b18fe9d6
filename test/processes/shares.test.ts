import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countWorkers } from '../../src/commands/workers/count.js';
import { limitOfAll } from '../../src/commands/workers/limits.js';
import { shareBatches, shareLimits } from '../../src/commands/workers/shares.js';

const MIB = 1024 ** 2;
const workers = fc.integer({ min: 1, max: 64 });

describe('shares', () => {
  it('of batches are as even as can be, sum up exactly, and leave out who would get none', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), workers, (batches, count) => {
        const shares = shareBatches(batches, count).map((share) => share ?? NaN);
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(batches);
        expect(shares).toHaveLength(Math.min(batches, count));
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
    expect(shareBatches(undefined, 3)).toEqual([undefined, undefined, undefined]);
  });

  it('of the limits never exceed them, and never fall under 1 MiB', () => {
    const bytes = fc.integer({ min: MIB, max: 2 ** 40 });
    const rate = fc.double({ min: 0.1, max: 10_000, noNaN: true });
    fc.assert(
      fc.property(bytes, rate, workers, (maxInFlightBytes, sourceRequestsPerSecond, count) => {
        const limits = {
          maxInFlightBytes,
          sourceRequestsPerSecond,
          sourceLoad: 0.2,
          sourceLatencyTargetMs: 2000,
          uploads: 512,
        };
        if (maxInFlightBytes / count < MIB) {
          expect(() => shareLimits(limits, count)).toThrow(/less than 1MiB/);
          return;
        }
        const share = shareLimits(limits, count);
        expect(share.maxInFlightBytes).toBeGreaterThanOrEqual(MIB);
        expect(share.maxInFlightBytes * count).toBeLessThanOrEqual(maxInFlightBytes);
        expect(share.sourceRequestsPerSecond * count).toBeCloseTo(sourceRequestsPerSecond, 6);
        expect(share.sourceLoad * count).toBeCloseTo(0.2, 6);
        expect(share.uploads).toBeGreaterThanOrEqual(1);
        expect(share.uploads * count).toBeLessThanOrEqual(512);
      }),
    );
  });

  it('of the uploads are at least one each', () => {
    const limits = {
      maxInFlightBytes: 0,
      sourceRequestsPerSecond: 0,
      sourceLoad: 0,
      sourceLatencyTargetMs: 0,
      uploads: 3,
    };
    expect(shareLimits(limits, 3).uploads).toBe(1);
    expect(() => shareLimits(limits, 4)).toThrow(/limits\.uploads is 3 for all of them/);
  });

  it('of no limit are no limit', () => {
    const unlimited = {
      maxInFlightBytes: 0,
      sourceRequestsPerSecond: 0,
      sourceLoad: 0,
      sourceLatencyTargetMs: 0,
      uploads: 0,
    };
    expect(shareLimits(unlimited, 16)).toEqual(unlimited);
  });
});

describe('the number of workers', () => {
  it.each([
    ['auto', 16, 16],
    ['auto', 1, 1],
    [3, 2, 3],
    [8, 1, 8],
    [64, 16, 64],
  ] as const)('%s on %i cores is %i', (wanted, cores, count) => {
    expect(countWorkers(wanted, cores)).toEqual({ workers: count });
  });

  it.each([
    [10_000, 2, 8],
    [9, 1, 8],
    [65, 16, 64],
  ])('%i on %i cores is cut to %i, with a word', (wanted, cores, count) => {
    const { workers, caution } = countWorkers(wanted, cores);
    expect(workers).toBe(count);
    expect(caution).toContain(`${wanted} is more than is of use`);
    expect(caution).toContain(`${count} is taken`);
  });
});

describe('what Elasticsearch imposes on workers', () => {
  const slow = {
    share: 0.5,
    inFlight: 2,
    reason: 'slow answers',
    requestsPerSecond: 5,
    since: 70,
  } as const;
  const full = {
    share: 0.25,
    inFlight: 1,
    reason: 'too many requests',
    requestsPerSecond: 2.5,
    since: 90,
  } as const;

  it('is nothing where nothing is imposed', () => {
    expect(limitOfAll([undefined, undefined], 40)).toBeUndefined();
    expect(limitOfAll([], 40)).toBeUndefined();
  });

  it('is the share of all of them, for the reason of the worst', () => {
    expect(limitOfAll([undefined, slow, full, undefined], 40)).toEqual({
      share: 0.6875,
      inFlight: 3,
      reason: 'too many requests',
      requestsPerSecond: 27.5,
      since: 70,
    });
  });
});
