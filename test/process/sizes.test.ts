import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PageSize } from '../../src/core/process/page-size.js';
import { shareMemory } from '../../src/core/process/shares.js';

const MIB = 1 << 20;

describe('page size', () => {
  const unhurried = (most: number) => new PageSize({ most, briefMs: Infinity });
  const light = { fill: 0, tookMs: 0 };
  const settled = (most: number, fillPerMessage: number) => {
    const size = unhurried(most);
    for (let i = 0; i < 100; i += 1)
      size.saw(size.next(), { ...light, fill: size.next() * fillPerMessage });
    return size;
  };

  test('the first page is small', () => {
    expect(unhurried(500).next()).toBe(50);
    expect(unhurried(7).next()).toBe(7);
  });

  test('grows to the batch where messages are small', () => {
    expect(settled(500, 0.0001).next()).toBe(500);
    expect(settled(500, 0).next()).toBe(500);
  });

  test('settles where a page fills half its answer', () => {
    const size = settled(10_000, 0.01);
    expect(size.next() * 0.01).toBeLessThanOrEqual(0.5);
    expect(size.next() * 0.01).toBeGreaterThan(0.45);
  });

  test('property: always a whole number from 1 to the batch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 }),
        (most, fills) => {
          const size = unhurried(most);
          for (const fill of fills) {
            const page = size.next();
            expect(Number.isInteger(page) && page >= 1 && page <= most).toBe(true);
            size.saw(page, { ...light, fill });
          }
        },
      ),
    );
  });

  test('recovers from heavy messages', () => {
    const size = settled(500, 1);
    expect(size.next()).toBe(1);
    for (let i = 0; i < 40; i += 1) size.saw(size.next(), { ...light, fill: size.next() * 0.0001 });
    expect(size.next()).toBe(500);
  });

  test.each([
    ['as long as they may', 0.05, 200],
    ['no shorter than a hundred', 1, 100],
    ['no longer than a batch', 0.001, 500],
  ])('searches that are to be brief: %s', (_, msPerMessage, expected) => {
    const size = new PageSize({ most: 500, briefMs: 10 });
    for (let i = 0; i < 100; i += 1)
      size.saw(size.next(), { ...light, tookMs: size.next() * msPerMessage });
    expect(size.next()).toBe(expected);
  });

  test('brief or not, few where few fill an answer', () => {
    const size = new PageSize({ most: 500, briefMs: 10 });
    for (let i = 0; i < 100; i += 1) size.saw(size.next(), { fill: size.next() * 0.1, tookMs: 1 });
    expect(size.next()).toBe(5);
  });
});

describe('memory shares', () => {
  test('property: every batch can hold a page and an object at once, and a large message can be read', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16 * MIB, max: 4096 * MIB }),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 0, max: 10 }),
        fc.integer({ min: 0, max: 4096 }),
        (budget, concurrency, related, wanted) => {
          const { uploads, ...shares } = shareMemory(budget, concurrency, related, wanted);
          const objects = shares.spoolBytes * concurrency;
          const sockets = uploads * (32 << 10);
          expect(shares.documentBytes + objects + sockets).toBeLessThanOrEqual(budget);
          expect(shares.pageHold * concurrency).toBeLessThanOrEqual(shares.documentBytes);
          expect(uploads).toBeGreaterThanOrEqual(Math.min(wanted, 1));
          expect(uploads).toBeLessThanOrEqual(wanted);
          expect(shares.largeHold + objects).toBeLessThanOrEqual(budget);
          expect(shares.largeBytes).toBeGreaterThanOrEqual(shares.pageBytes);
          expect(shares.pageBytes).toBeLessThanOrEqual(8 * MIB);
          for (const bytes of Object.values<number>(shares)) expect(bytes).toBeGreaterThan(0);
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
    const { documentBytes, ...shares } = shareMemory(Infinity, 4, 3);
    expect(documentBytes).toBe(Infinity);
    for (const bytes of Object.values<number>(shares)) {
      expect(Number.isFinite(bytes)).toBe(true);
    }
  });

  test.each([0, 512])(
    'the default budget takes the largest document Elasticsearch takes, of 100 MB, with %i uploads',
    (uploads) => {
      expect(shareMemory(256 * MIB, 4, 3, uploads).largeBytes).toBeGreaterThan(100 * MIB);
    },
  );

  test('the default budget has room for 512 uploads, and for documents that wait beside all pages', () => {
    const shares = shareMemory(256 * MIB, 4, 3, 512);
    expect(shares.uploads).toBe(512);
    expect(shares.documentBytes - 4 * shares.pageHold).toBeGreaterThan(32 * MIB);
  });

  test('a small budget has room for few uploads, but for one', () => {
    expect(shareMemory(16 * MIB, 4, 3, 512).uploads).toBe(32);
    expect(shareMemory(MIB, 1, 0, 512).uploads).toBe(2);
    expect(shareMemory(1, 1, 0, 512).uploads).toBe(1);
  });
});
