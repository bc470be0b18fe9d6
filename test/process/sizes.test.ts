import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PageSize } from '../../src/core/process/page-size.js';
import { shareMemory } from '../../src/core/process/shares.js';

const MIB = 1 << 20;

describe('page size', () => {
  test('the first page is small', () => {
    expect(new PageSize(8 * MIB, 500).next()).toBe(50);
    expect(new PageSize(8 * MIB, 7).next()).toBe(7);
  });

  test('grows to the batch where messages are small', () => {
    const size = new PageSize(8 * MIB, 500);
    for (let i = 0; i < 20; i += 1) size.saw(size.next(), size.next() * 850);
    expect(size.next()).toBe(500);
  });

  test('settles where a page fills half the limit', () => {
    const size = new PageSize(8 * MIB, 10_000);
    for (let i = 0; i < 100; i += 1) size.saw(size.next(), size.next() * 100_000);
    expect(size.next() * 100_000).toBeLessThanOrEqual(4 * MIB);
    expect(size.next() * 100_000).toBeGreaterThan(3.8 * MIB);
  });

  test('property: always from 1 to the batch, and less than half a page, rounded up, once that was too large', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('saw' as const), bytes: fc.nat(MIB) }),
      fc.record({ kind: fc.constant('too-large' as const), bytes: fc.constant(0) }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MIB }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(step, { maxLength: 60 }),
        (limit, most, steps) => {
          const size = new PageSize(limit, most);
          for (const { kind, bytes } of steps) {
            const page = size.next();
            expect(Number.isInteger(page) && page >= 1 && page <= most).toBe(true);
            if (kind === 'saw') size.saw(page, bytes);
            else {
              size.tooLarge(page);
              expect(size.next()).toBeLessThanOrEqual(Math.ceil(page / 2));
            }
          }
        },
      ),
    );
  });

  test('recovers from a huge message', () => {
    const size = new PageSize(8 * MIB, 500);
    while (size.next() > 1) size.tooLarge(size.next());
    for (let i = 0; i < 40; i += 1) size.saw(size.next(), size.next() * 850);
    expect(size.next()).toBe(500);
  });
});

describe('memory shares', () => {
  test('property: every batch can hold a page and an object at once, and a large message can be read', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16 * MIB, max: 4096 * MIB }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 0, max: 10 }),
        (budget, concurrency, related) => {
          const shares = shareMemory(budget, concurrency, related);
          const objects = shares.spoolBytes * concurrency;
          expect(shares.pageHold * concurrency + objects).toBeLessThanOrEqual(budget);
          expect(shares.largeHold + objects).toBeLessThanOrEqual(budget);
          expect(shares.largeBytes).toBeGreaterThanOrEqual(shares.pageBytes);
          expect(shares.pageBytes).toBeLessThanOrEqual(8 * MIB);
          for (const bytes of Object.values(shares) as number[]) expect(bytes).toBeGreaterThan(0);
        },
      ),
    );
  });

  test('a budget too small for anything still gives every share a byte to ask for', () => {
    const shares = shareMemory(1, 4, 3);
    expect(shares.pageBytes).toBe(1);
    expect(shares.largeBytes).toBe(1);
  });

  test('without a limit they are finite all the same', () => {
    for (const bytes of Object.values(shareMemory(Infinity, 4, 3)) as number[]) {
      expect(Number.isFinite(bytes)).toBe(true);
    }
  });

  test('the default budget takes the largest document Elasticsearch takes, of 100 MB', () => {
    expect(shareMemory(256 * MIB, 4, 3).largeBytes).toBeGreaterThan(100 * MIB);
  });
});
