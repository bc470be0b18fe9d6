import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runPool } from '../../src/core/pool.js';

const from = <T>(pieces: readonly T[]) => {
  const left = pieces.values();
  return () => Promise.resolve(left.next().value);
};

test('property: every piece is worked on once, and never more at once than the size', async () => {
  const pieces = fc.array(fc.nat(5), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 6 }), async (turns, size) => {
      const done: number[] = [];
      let running = 0;
      let most = 0;
      await runPool(size, from(turns.map((turn, i) => ({ turn, i }))), async ({ turn, i }) => {
        running += 1;
        most = Math.max(most, running);
        for (let left = turn; left > 0; left -= 1) await Promise.resolve();
        running -= 1;
        done.push(i);
      });
      expect(done.sort((a, b) => a - b)).toEqual(turns.map((_, i) => i));
      expect(most).toBeLessThanOrEqual(size);
    }),
  );
});

test('pieces are worked on side by side', async () => {
  // Each waits for the other: a pool that took one at a time would never end.
  const both = [deferred(), deferred()];
  await runPool(2, from([0, 1]), async (i) => {
    both[i]?.resolve();
    await both[1 - i]?.promise;
  });
});

test('where a piece fails the others are told, nothing more is taken, and all have ended before it throws', async () => {
  const failure = new Error('broken');
  const taken: number[] = [];
  let ended = false;
  const started = deferred();
  const pieces = from([0, 1, 2, 3]);
  const running = runPool(2, pieces, async (piece, failed) => {
    taken.push(piece);
    if (piece === 0) {
      await started.promise;
      throw failure;
    }
    await new Promise<void>((resolve) => {
      failed.addEventListener('abort', () => resolve());
      started.resolve();
    });
    await new Promise(setImmediate);
    ended = true;
  });
  await expect(running).rejects.toBe(failure);
  expect(ended).toBe(true);
  expect(taken).toEqual([0, 1]);
});

test('the first of several errors is thrown', async () => {
  const failures = [new Error('first'), new Error('second')];
  const running = runPool(2, from([0, 1]), async (piece, failed) => {
    if (piece === 1)
      await new Promise<void>((resolve) => failed.addEventListener('abort', () => resolve()));
    throw failures[piece] ?? new Error('neither');
  });
  await expect(running).rejects.toBe(failures[0]);
});

test('a failing take ends the pool as a failing piece does', async () => {
  await expect(
    runPool(
      3,
      () => Promise.reject(new Error('no more')),
      () => Promise.resolve(),
    ),
  ).rejects.toThrow('no more');
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
