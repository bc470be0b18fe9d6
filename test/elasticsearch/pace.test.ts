import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Pace } from '../../src/core/elasticsearch/pace.js';
import { never } from './support.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const atMost = (sourceRequestsPerSecond: number, sourceLoad = 0) =>
  new Pace({ sourceRequestsPerSecond, sourceLoad });

test('requests are spaced evenly, in the order of asking', async () => {
  const pace = atMost(50);
  const startedAt = performance.now();
  const turns: [number, number][] = [];
  for (let i = 0; i < 5; i += 1) {
    void pace.turn(never).then(() => turns.push([i, performance.now() - startedAt]));
  }
  await vi.runAllTimersAsync();
  expect(turns).toEqual([0, 1, 2, 3, 4].map((i) => [i, i * 20]));
});

test('a pause is not made up for by a burst', async () => {
  const pace = atMost(50);
  await pace.turn(never);
  await vi.advanceTimersByTimeAsync(1000);
  await pace.turn(never);
  const startedAt = performance.now();
  const third = pace.turn(never).then(() => performance.now() - startedAt);
  await vi.runAllTimersAsync();
  expect(await third).toBe(20);
});

test('0 is no limit', async () => {
  const pace = atMost(0);
  for (let i = 0; i < 100; i += 1) await pace.turn(never);
  expect(vi.getTimerCount()).toBe(0);
});

test('who waits can be stopped', async () => {
  const pace = atMost(1);
  const stop = new AbortController();
  await pace.turn(stop.signal);
  const waiting = pace.turn(stop.signal);
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});

describe('with a load of 0.2', () => {
  /** One request after the other, as they are asked for; when each began, and how much of the time all of them took. */
  async function run(pace: Pace, took: readonly number[]) {
    const startedAt = performance.now();
    const began: number[] = [];
    for (const ms of took) {
      await awaited(pace.turn(never));
      began.push(performance.now() - startedAt);
      pace.took(ms - 0.5);
      await vi.advanceTimersByTimeAsync(ms);
    }
    return { began, load: took.reduce((sum, ms) => sum + ms, 0) / (performance.now() - startedAt) };
  }

  async function awaited(turn: Promise<void>): Promise<void> {
    const waiting = { isOver: false };
    void turn.then(() => (waiting.isOver = true));
    await vi.advanceTimersByTimeAsync(0);
    while (!waiting.isOver) await vi.advanceTimersToNextTimerAsync();
  }

  test('Elasticsearch works for us a fifth of the time', async () => {
    const { began, load } = await run(atMost(0, 0.2), new Array<number>(400).fill(10));
    expect(load).toBeCloseTo(0.2, 1);
    expect((began[399] ?? 0) - (began[398] ?? 0)).toBeCloseTo(50, 0);
  });

  test('however much its requests differ', async () => {
    const took = Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 200 : 2));
    const { load } = await run(atMost(0, 0.2), took);
    expect(load).toBeGreaterThan(0.17);
    expect(load).toBeLessThan(0.22);
  });

  test('the rate holds beside it', async () => {
    const { began } = await run(atMost(10, 0.2), new Array<number>(20).fill(1));
    expect((began[19] ?? 0) - (began[18] ?? 0)).toBeCloseTo(100, 0);
  });

  test('a request that hung is not followed by minutes of silence', async () => {
    const pace = atMost(0, 0.2);
    pace.took(90_000);
    const startedAt = performance.now();
    for (let i = 0; i < 50; i += 1) {
      await awaited(pace.turn(never));
      pace.took(1);
    }
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  });
});
