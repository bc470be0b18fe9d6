import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '../../src/core/elasticsearch/pace.js';
import { never } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('requests are spaced evenly, in the order of asking', async () => {
  const pace = new Pace(50);
  const startedAt = performance.now();
  const turns: [number, number][] = [];
  for (let i = 0; i < 5; i += 1) {
    void pace.turn(never).then(() => turns.push([i, performance.now() - startedAt]));
  }
  await vi.runAllTimersAsync();
  expect(turns).toEqual([0, 1, 2, 3, 4].map((i) => [i, i * 20]));
});

test('a pause is not made up for by a burst', async () => {
  const pace = new Pace(50);
  await pace.turn(never);
  await vi.advanceTimersByTimeAsync(1000);
  await pace.turn(never);
  const startedAt = performance.now();
  const third = pace.turn(never).then(() => performance.now() - startedAt);
  await vi.runAllTimersAsync();
  expect(await third).toBe(20);
});

test('0 is no limit', async () => {
  const pace = new Pace(0);
  for (let i = 0; i < 100; i += 1) await pace.turn(never);
  expect(vi.getTimerCount()).toBe(0);
});

test('who waits can be stopped', async () => {
  const pace = new Pace(1);
  const stop = new AbortController();
  await pace.turn(stop.signal);
  const waiting = pace.turn(stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});
