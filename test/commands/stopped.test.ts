import { expect, test } from 'vitest';
import { StopSignals } from '../../src/commands/signals.js';
import { stoppedVerdict } from '../../src/commands/stopped.js';

test('a command that was stopped between two steps ends with the code of the signal, and says what is left', () => {
  const stop = new StopSignals();
  expect(stoppedVerdict({ stop }, undefined, 'message')).toBeUndefined();
  expect(stoppedVerdict({ stop }, 1, 'message')).toEqual({
    code: 130,
    next: 'it was stopped: 1 message is left as it was; the same command goes on from there',
  });
  expect(stoppedVerdict({ stop }, 2_000, 'message')?.next).toContain('2,000 messages are left');
  expect(stoppedVerdict({ stop }, 0, 'message')?.code).toBe(130);
});
