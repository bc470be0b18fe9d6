import { expect, it } from 'vitest';
import { STEPS } from '../../src/core/steps.js';
import { KILL_CASES } from './cases.js';
import { describeKills } from './survives.js';

describeKills('killed, and started again, everything is migrated exactly once', KILL_CASES);

it('is killed at every step there is', () => {
  expect(new Set(KILL_CASES.map(({ step }) => step))).toEqual(new Set(STEPS));
});
