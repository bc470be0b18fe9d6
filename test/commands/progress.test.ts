import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Log } from '../../src/commands/terminal/log.js';
import { progressBars, progressLines } from '../../src/commands/terminal/progress.js';
import type { ImposedLimit, ProgressEvent } from '../../src/core/run.js';

const event: ProgressEvent = {
  type: 'progress',
  stage: 'process',
  done: 500,
  total: 1000,
  failed: 0,
};
const limit: ImposedLimit = {
  share: 0.25,
  inFlight: 3,
  reason: 'slow answers',
  requestsPerSecond: 12.5,
  since: 0,
};
const SLOWED = /, slowed to 25 % \(slow answers\)$/;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('lines say that less is asked, also while nothing is done, and when that is over', async () => {
  const told: Parameters<Log>[0][] = [];
  const progress = progressLines(
    () => undefined,
    (line) => told.push(line),
  );
  const next = async () => {
    await vi.advanceTimersByTimeAsync(10_000);
    return told.splice(0);
  };
  progress.show(event);
  expect((await next())[0]?.message).toBe('process: 500 of 1,000, 0/s, 0 failed');
  progress.limit(limit);
  expect(await next()).toMatchObject([
    { message: expect.stringMatching(SLOWED) as string, fields: { done: 500, limit: 0.25 } },
  ]);
  expect(await next()).toEqual([]);
  progress.limit(undefined);
  const [over] = await next();
  expect(over?.message).not.toMatch(/slowed/);
  expect(over?.fields).not.toHaveProperty('limit');
  progress.close();
});

test.each([
  [undefined, 'process: 500 of 1,000, 0/s, 0 failed'],
  [0, 'process: 500 of 1,000, 0/s, 0 failed'],
  [1, 'process: 500 of 1,000, 0/s, 0 failed, 1 upload in flight'],
  [128, 'process: 500 of 1,000, 0/s, 0 failed, 128 uploads in flight'],
])('%s uploads in flight are shown where there are any', async (uploads, expected) => {
  const told: string[] = [];
  const progress = progressLines(
    () => undefined,
    ({ message }) => told.push(message),
  );
  progress.show({ ...event, ...(uploads !== undefined && { uploads }) });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(told).toEqual([expected]);
  progress.close();
});

test('bars say it at once', () => {
  const stream = new PassThrough();
  const written: string[] = [];
  stream.on('data', (text: Buffer) => written.push(text.toString()));
  const terminal = Object.assign(stream, { isTTY: true, columns: 200, rows: 50 });
  const bars = progressBars(terminal as unknown as NodeJS.WriteStream, () => undefined);
  bars.show(event);
  bars.limit(limit);
  bars.close();
  expect(written.join('')).toMatch(/500 of 1,000.*slowed to 25 % \(slow answers\)/);
});
