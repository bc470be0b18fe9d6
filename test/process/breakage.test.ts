import { expect, test } from 'vitest';
import { Breakage } from '../../src/core/process/breakage.js';

function after(broken: readonly number[]): Breakage {
  const breakage = new Breakage();
  for (const batch of broken) breakage.broke(batch);
  return breakage;
}

test('three different batches in a row are not to blame', () => {
  expect(after([1, 2]).isGeneral).toBe(false);
  expect(after([1, 1, 1, 1]).isGeneral).toBe(false);
  expect(after([1, 2, 3]).isGeneral).toBe(true);
});

test('a batch that is carried shows that it is no more than some', () => {
  const breakage = after([1, 2]);
  breakage.carried();
  breakage.broke(3);
  expect(breakage.isGeneral).toBe(false);
});

test('where it is always the same ones that break, it is they that pay', () => {
  const same = Array.from({ length: 11 }, (_, i) => 1 + (i % 3));
  expect(after([1, 2, 3, ...same]).isGeneral).toBe(false);
});
