import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Budget } from '../../src/core/process/budget.js';

/** An ask that ends when told to. */
function ask(budget: Budget, bytes: number, log: number[], number: number) {
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const done = budget.holding(bytes, async () => {
    log.push(number);
    await ended;
  });
  return { end, done };
}

const settle = () => new Promise(setImmediate);

test('property: never more than its total, granted in the order of asking, and every ask in the end', async () => {
  const asks = fc.array(fc.integer({ min: 0, max: 150 }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(asks, fc.infiniteStream(fc.nat()), async (sizes, choices) => {
      const budget = new Budget(100);
      const granted: number[] = [];
      const ended = new Set<number>();
      const asked = sizes.map((bytes, i) => ask(budget, bytes, granted, i));
      while (ended.size < sizes.length) {
        await settle();
        const holding = granted.filter((i) => !ended.has(i));
        const taken = holding.reduce((sum, i) => sum + Math.min(sizes[i] ?? 0, 100), 0);
        expect(taken).toBeLessThanOrEqual(100);
        expect(holding.length).toBeGreaterThan(0);
        const next = sizes[granted.length];
        // Whoever is next waits only because it does not fit.
        if (next !== undefined) expect(taken + Math.min(next, 100)).toBeGreaterThan(100);
        const victim = holding[(choices.next().value ?? 0) % holding.length] ?? 0;
        ended.add(victim);
        asked[victim]?.end();
      }
      await Promise.all(asked.map(({ done }) => done));
      expect(granted).toEqual(sizes.map((_, i) => i));
    }),
    { numRuns: 100 },
  );
});

test('a small ask does not overtake a large one that waits', async () => {
  const budget = new Budget(100);
  const granted: number[] = [];
  const first = ask(budget, 60, granted, 0);
  const large = ask(budget, 80, granted, 1);
  const small = ask(budget, 10, granted, 2);
  await settle();
  expect(granted).toEqual([0]);
  first.end();
  await settle();
  expect(granted).toEqual([0, 1, 2]);
  large.end();
  small.end();
  await Promise.all([first.done, large.done, small.done]);
});

test('work that throws gives its bytes back, and the error on', async () => {
  const budget = new Budget(10);
  await expect(budget.holding(10, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  );
  expect(await budget.holding(10, () => Promise.resolve('free'))).toBe('free');
});

test('0 is no limit', async () => {
  const budget = new Budget(0);
  const granted: number[] = [];
  const asks = [1e15, 1e15, 1e15].map((bytes, i) => ask(budget, bytes, granted, i));
  await settle();
  expect(granted).toEqual([0, 1, 2]);
  for (const { end } of asks) end();
  await Promise.all(asks.map(({ done }) => done));
});
