import { describe, expect, test } from 'vitest';
import { isMet, reach, type Finding } from '../../bench/support/finding.js';
import { median, percentile } from '../../bench/support/statistics.js';
import { cells } from '../../bench/support/table.js';

const finding: Finding = {
  what: 'process',
  unit: 'messages/s',
  ours: [80, 300, 100],
  peer: { name: 'bare', values: [100, 400, 200] },
  goal: { of: 'ratio', bound: 'at least', value: 0.7 },
};

describe('figures', () => {
  test('the median is the middle of an odd number, the mean of both middles of an even one', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test('a percentile is a value that was measured', () => {
    const values = Array.from({ length: 160 }, (_, i) => i + 1);
    expect(percentile(values, 0.95)).toBe(152);
    expect(percentile(values, 0.99)).toBe(159);
  });
});

describe('goals', () => {
  test('a ratio is the median of the rounds, not that of the medians', () => {
    // Rounds 0.8, 0.75, 0.5; the medians' would be 0.5.
    expect(reach(finding)).toBeCloseTo(0.75 / 0.7);
    expect(isMet(finding)).toBe(true);
  });

  test('at most: what is exactly as much is met, what is more is missed', () => {
    const atMost = (value: number): Finding => ({
      ...finding,
      goal: { of: 'ours', bound: 'at most', value },
    });
    expect(isMet(atMost(100))).toBe(true);
    expect(isMet(atMost(99))).toBe(false);
  });

  test('a figure without rounds is no success', () => {
    expect(isMet({ ...finding, ours: [] })).toBe(false);
  });

  test('the table says medians, spread, ratio, goal and verdict', () => {
    expect(cells(finding)).toEqual([
      'process',
      '100 (80–300) messages/s',
      'bare: 200 (100–400)',
      '0.75 (0.5–0.8)',
      '≥ 0.7×',
      'ok',
    ]);
  });
});
