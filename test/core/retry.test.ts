import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isMigrateError, MigrateError } from '../../src/core/errors.js';
import { Fault, isFault, parseRetryAfter } from '../../src/core/fault.js';
import { retrying, sleep } from '../../src/core/retry.js';
import type { RunEvent } from '../../src/core/run.js';

const busy = (retryAfterMs?: number) =>
  new Fault('S3', 'retriable', 'SlowDown', 'S3 answered 503: SlowDown', { retryAfterMs });
const refused = () => new Fault('S3', 'request', 'InvalidArgument', 'S3 answered 400');
const never = new AbortController().signal;
const logged = (events: readonly RunEvent[]) => events.filter((event) => event.type === 'log');

/** Runs to its end on fake time; what came of it, and when each attempt was made. */
async function run<T>(
  attempt: (number: number) => T,
  {
    retryForMs = 60_000,
    ...use
  }: {
    retryForMs?: number;
    unless?: (fault: Fault) => boolean;
    turn?: () => Promise<void>;
  } = {},
) {
  const events: RunEvent[] = [];
  const at: number[] = [];
  const startedAt = performance.now();
  const settled = retrying(
    { retryForMs, report: (event) => events.push(event) },
    () => {
      at.push(performance.now() - startedAt);
      return Promise.resolve().then(() => attempt(at.length));
    },
    { signal: never, ...use },
  ).then(
    (value) => ({ value, error: undefined }),
    (error: unknown) => ({ value: undefined, error }),
  );
  await vi.runAllTimersAsync();
  return { ...(await settled), at, events };
}

const failing = (times: number, error: () => unknown) => (number: number) => {
  if (number <= times) throw error();
  return number;
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('retrying', () => {
  test('a retriable fault is tried again, each time later, at most 10 s later', async () => {
    const { value, at } = await run(failing(8, busy));
    expect(value).toBe(9);
    const gaps = at.slice(1).map((time, i) => time - (at[i] ?? 0));
    gaps.forEach((gap, i) => {
      expect(gap).toBeGreaterThanOrEqual(Math.min(200 * 2 ** i, 10_000));
      expect(gap).toBeLessThanOrEqual(Math.min(400 * 2 ** i, 10_000));
    });
  });

  test('the backoff has jitter', async () => {
    const firsts = [];
    for (let i = 0; i < 20; i += 1) firsts.push((await run(failing(1, busy))).at[1]);
    expect(new Set(firsts).size).toBeGreaterThan(5);
  });

  test.each([
    ['a fault of this request alone', refused],
    ['an error a user can act on', () => new MigrateError('usage', 'wrong password')],
    ['a bug', () => new TypeError('x is undefined')],
  ])('%s is thrown at once, as it is', async (_, make) => {
    const error = make();
    const outcome = await run(failing(1, () => error));
    expect(outcome.error).toBe(error);
    expect(outcome.at).toEqual([0]);
    expect(logged(outcome.events)).toEqual([]);
  });

  test('a fault its caller answers otherwise is thrown at once', async () => {
    const unless = ({ code }: Fault) => code === 'SlowDown';
    const { error, at } = await run(failing(1, busy), { unless });
    expect(error).toMatchObject({ name: 'Fault', code: 'SlowDown' });
    expect(at).toEqual([0]);
    expect((await run(failing(1, busy), { unless: () => false })).value).toBe(2);
  });

  test('Retry-After is waited for', async () => {
    const { value, at } = await run(failing(1, () => busy(7000)));
    expect(value).toBe(2);
    expect(at[1]).toBeGreaterThanOrEqual(7000);
  });

  test('a server that asks for longer than allowed counts as down at once, and says so', async () => {
    const { error, at } = await run(failing(9, () => busy(300_000)));
    expect(at).toEqual([0]);
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: 'S3 was down for 0 s and asks for another 300 s: S3 answered 503: SlowDown',
    });
  });

  test('waiting for a turn costs the server nothing of its time', async () => {
    const { value, at } = await run(failing(4, busy), {
      retryForMs: 5_000,
      turn: () => sleep(20_000, never),
    });
    expect(value).toBe(5);
    expect(at).toHaveLength(5);
  });

  test('nor does it make a server last that is down', async () => {
    const { error, at } = await run(failing(Infinity, busy), {
      retryForMs: 30_000,
      turn: () => sleep(1_000, never),
    });
    expect(error).toMatchObject({ kind: 'unavailable' });
    const waited = at.length * 1_000;
    expect((at.at(-1) ?? 0) - waited).toBeGreaterThanOrEqual(29_999);
    expect((at.at(-1) ?? 0) - waited).toBeLessThanOrEqual(41_000);
  });

  test('after retryFor the server counts as down, with the way on', async () => {
    const { error, at } = await run(failing(Infinity, busy), { retryForMs: 30_000 });
    expect(at.at(-1)).toBeGreaterThanOrEqual(30_000);
    expect(at.at(-1)).toBeLessThanOrEqual(40_000);
    if (!isMigrateError(error)) throw new Error('expected a MigrateError');
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(/^S3 was down for \d\d s: S3 answered 503: SlowDown$/);
    expect(error.advice).toBe(
      'Run the same command again once S3 answers, it goes on where it stopped; if it never did, correct its address in the configuration.',
    );
    expect(isFault(error.cause)).toBe(true);
  });

  test('the last attempt is made when the time is over, not a whole backoff later', async () => {
    const { at } = await run(failing(Infinity, busy), { retryForMs: 5000 });
    expect(at.at(-1)).toBeGreaterThanOrEqual(4999);
    expect(at.at(-1)).toBeLessThanOrEqual(5001);
  });

  test('each attempt is told how much of the time is left', async () => {
    const left: number[] = [];
    const settled = retrying(
      { retryForMs: 5000, report: () => undefined },
      (leftMs) => {
        left.push(leftMs);
        return Promise.reject(busy());
      },
      { signal: never },
    ).catch(() => undefined);
    await vi.runAllTimersAsync();
    await settled;
    expect(left[0]).toBe(5000);
    expect(left[1]).toBeLessThanOrEqual(4800);
    expect(left.at(-1)).toBe(0);
  });

  test('the first failure is a warning, the others are details', async () => {
    const { events } = await run(failing(3, busy));
    const lines = logged(events);
    expect(lines.map(({ level }) => level)).toEqual(['warn', 'debug', 'debug']);
    expect(lines[0]).toMatchObject({
      message: 'S3 answered 503: SlowDown; trying again for up to 60 s',
    });
  });

  test('each failure is measured, also the last one', async () => {
    const { events } = await run(failing(Infinity, busy), { retryForMs: 0 });
    const measured = { kind: 'fault', server: 'S3' };
    expect(events.filter(({ type }) => type === 'measured')).toEqual([
      { type: 'measured', measure: measured },
    ]);
  });

  test.each([
    ['the backoff', () => busy()],
    ['a Retry-After', () => busy(20_000)],
  ])('aborting ends %s with the reason, and nothing is tried again', async (_, make) => {
    const stop = new AbortController();
    let attempts = 0;
    const settled = retrying(
      { retryForMs: 60_000, report: () => undefined },
      () => {
        attempts += 1;
        return Promise.reject(make());
      },
      { signal: stop.signal },
    ).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1);
    const reason = new Error('stopped');
    stop.abort(reason);
    expect(await settled).toBe(reason);
    await vi.runAllTimersAsync();
    expect(attempts).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is tried under a signal that is aborted already', async () => {
    const attempt = vi.fn(() => Promise.resolve(1));
    const reason = new Error('stopped');
    const settled = retrying({ retryForMs: 1, report: () => undefined }, attempt, {
      signal: AbortSignal.abort(reason),
    });
    await expect(settled).rejects.toBe(reason);
    expect(attempt).not.toHaveBeenCalled();
  });
});

describe('sleep', () => {
  test('ends after its time, leaving no listener', async () => {
    const stop = new AbortController();
    const removed = vi.spyOn(stop.signal, 'removeEventListener');
    const slept = sleep(1000, stop.signal);
    await vi.advanceTimersByTimeAsync(1000);
    await slept;
    expect(removed).toHaveBeenCalledOnce();
  });

  test('ends with the reason, at once, leaving no timer', async () => {
    const stop = new AbortController();
    const slept = sleep(1000, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(slept).rejects.toThrow('stopped');
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2024, 9, 1, 12, 0, 0);
  test.each([
    ['120', 120_000],
    ['0', 0],
    ['0.5', 500],
    ['-3', 0],
    [' 7 ', 7000],
    ['Tue, 01 Oct 2024 12:00:30 GMT', 30_000],
    ['Tue, 01 Oct 2024 11:59:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [' ', undefined],
    [undefined, undefined],
  ])('%s', (header, expected) => {
    expect(parseRetryAfter(header, now)).toBe(expected);
  });
});
