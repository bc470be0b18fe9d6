import { expect, test } from 'vitest';
import type { Measure } from '../../src/core/run.js';
import { FailureRateWatch, type FailureRate } from '../../src/monitor/failure-rate.js';
import { Meter, type Reading } from '../../src/monitor/meter.js';
import { Vitals } from '../../src/monitor/vitals.js';

const MINUTE = 60_000;

const batch = (completed: number, failed: Record<string, number> = {}): Measure => ({
  ...{ kind: 'batch' as const, ms: 100, completed, failed, bytes: 10 * completed },
});

function meter() {
  let now = 0;
  const made = new Meter(() => now);
  const report = (measure: Measure) => made.report({ type: 'measured', measure });
  const taken = (name: Reading['name']) => {
    const readings = made.take();
    return { readings, values: readings.find((one) => one.name === name)?.values };
  };
  return { made, report, taken, pass: (ms: number) => (now += ms) };
}

test('sums add up, and begin anew when they were taken', () => {
  const { report, taken } = meter();
  report(batch(10, { missing: 2, upload_failed: 1 }));
  report(batch(5));
  expect(taken('MessagesCompleted').values).toEqual(new Map([[15, 1]]));
  report(batch(0, { missing: 1 }));
  expect(taken('MessagesFailed').values).toEqual(new Map([[1, 1]]));
  expect(taken('MessagesFailed').readings).toEqual([]);
});

test('single values are kept to two digits, so that there are few however many came', () => {
  const { report, taken } = meter();
  for (let i = 0; i < 10_000; i += 1) report({ kind: 'answer', ms: 1 + i / 10 });
  const values = taken('SourceLatency').values ?? new Map<number, number>();
  expect(values.size).toBeLessThan(300);
  expect([...values.values()].reduce((a, b) => a + b)).toBe(10_000);
});

test('messages a second are those since the last time', () => {
  const { made, report, taken, pass } = meter();
  pass(60 * MINUTE);
  made.begin();
  report(batch(100));
  pass(4_000);
  expect(taken('MessagesPerSecond').values).toEqual(new Map([[25, 1]]));
});

test('what could not be delivered is delivered with the next', () => {
  const { made, report, taken } = meter();
  made.set('Backlog', 7);
  report(batch(10));
  made.putBack(made.take());
  report(batch(1));
  const { readings, values } = taken('MessagesCompleted');
  expect(values).toEqual(new Map([[11, 1]]));
  expect(readings.find(({ name }) => name === 'BatchDuration')?.values).toEqual(
    new Map([[100, 2]]),
  );
  expect(readings.some(({ name }) => name === 'Backlog')).toBe(false);
});

test('a run that says nothing for minutes is not alive', () => {
  let now = 0;
  const vitals = new Vitals(() => now);
  now += 9 * MINUTE;
  expect(vitals.alive()).toBe(true);
  vitals.report();
  now += 9 * MINUTE;
  expect(vitals.alive()).toBe(true);
  now += 2 * MINUTE;
  expect(vitals.alive()).toBe(false);
});

function failures(threshold = 0.1) {
  let now = 0;
  const begun: FailureRate[] = [];
  let ended = 0;
  const watch = new FailureRateWatch({
    threshold,
    now: () => now,
    onBegin: (rate) => begun.push(rate),
    onEnd: () => (ended += 1),
  });
  const report = (measure: Measure) => watch.report({ type: 'measured', measure });
  return { watch, report, begun, ended: () => ended, pass: (ms: number) => (now += ms) };
}

test('what fails for long is one episode, which ends when few fail again', () => {
  const { report, begun, ended, pass } = failures();
  for (let i = 0; i < 30; i += 1) {
    report(batch(400, { missing: 70, upload_failed: 30 }));
    pass(MINUTE);
  }
  expect(begun).toMatchObject([{ messages: 500, failed: 100, share: 0.2 }]);
  expect(begun[0]?.codes).toEqual([
    ['missing', 70],
    ['upload_failed', 30],
  ]);
  for (let i = 0; i < 12; i += 1) {
    report(batch(500));
    pass(MINUTE);
  }
  expect(ended()).toBe(1);
  report(batch(0, { missing: 5_000 }));
  expect(begun).toHaveLength(2);
});

test('after a long silence it is another episode', () => {
  const { report, begun, ended, pass } = failures();
  report(batch(0, { missing: 500 }));
  pass(60 * MINUTE);
  report(batch(0, { missing: 500 }));
  expect(begun).toHaveLength(2);
  expect(ended()).toBe(1);
});

test('messages of a batch that was given up failed, too', () => {
  const { report, begun } = failures();
  report(batch(100));
  report({ kind: 'given-up', messages: 50, code: 'poisoned' });
  expect(begun).toMatchObject([{ messages: 150, failed: 50, codes: [['poisoned', 50]] }]);
});

test('what is delivered late is no higher rate', () => {
  const { made, report, taken, pass } = meter();
  report(batch(600));
  pass(MINUTE);
  made.putBack(made.take());
  pass(MINUTE);
  expect(taken('MessagesPerSecond').values).toEqual(new Map([[5, 1]]));
});

test('of few messages the rate counts only at the end', () => {
  const { watch, report, begun } = failures();
  report(batch(10, { missing: 10 }));
  expect(begun).toEqual([]);
  watch.close();
  expect(begun).toHaveLength(1);
});
