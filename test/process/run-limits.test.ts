import { expect, test } from 'vitest';
import { RunLimits } from '../../src/core/process/run-limits.js';
import { quietRun } from '../support/core.js';

const NONE = { maxBatches: undefined, maxRuntimeMs: undefined };

test('without limits there is no end', () => {
  const limits = new RunLimits(quietRun(), NONE);
  for (let i = 0; i < 1000; i += 1) limits.count();
  expect(limits.reached()).toBeUndefined();
  expect(limits.leftMs).toBe(Number.POSITIVE_INFINITY);
  expect(limits.ended).toBe('nothing-left');
});

test('as many batches as were allowed', () => {
  const limits = new RunLimits(quietRun(), { ...NONE, maxBatches: 2 });
  limits.count();
  expect(limits.reached()).toBeUndefined();
  limits.count();
  expect(limits.reached()).toBe('max-batches');
  expect(limits.ended).toBe('max-batches');
});

test('whoever counted the last batch and found none: nothing was left', () => {
  const limits = new RunLimits(quietRun(), { ...NONE, maxBatches: 1 });
  limits.count();
  expect(limits.reached()).toBe('max-batches');
  limits.uncount();
  expect(limits.ended).toBe('nothing-left');
});

test('time that is up, and a stop before all', () => {
  const stop = new AbortController();
  const limits = new RunLimits(quietRun(undefined, stop.signal), { ...NONE, maxRuntimeMs: 0 });
  expect(limits.isOutOfTime).toBe(true);
  expect(limits.reached()).toBe('max-runtime');
  stop.abort();
  expect(limits.reached()).toBe('stopped');
  expect(limits.ended).toBe('stopped');
});
