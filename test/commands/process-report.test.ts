import { expect, test } from 'vitest';
import { ABOUT_FAILED, EXIT, foremost } from '../../src/commands/exit-codes.js';
import { processVerdict } from '../../src/commands/process-report.js';
import type { ProcessOutcome } from '../../src/core/process/types.js';

const LEFT: ProcessOutcome = {
  completed: 0,
  failed: 0,
  requeued: 0,
  remaining: 2_000,
  failedInAll: 0,
  leftBehind: 0,
  atOdds: 0,
  heldByOthers: 0,
  holder: undefined,
  failedWindows: 0,
  ended: 'nothing-left',
  lost: 0,
  related: {},
  outdated: 0,
};

test('what nobody holds and the queue does not name is not said to be at work', () => {
  const { code, next } = processVerdict(LEFT, 130, true);
  expect(code).toBe(4);
  expect(next).toMatch(/^nobody holds them, and the queue has no message for them/);
  expect(next).toContain('"es-migrate process" without --queue');
});

test('who holds what is left is named', () => {
  const until = new Date('2024-10-01T10:00:00Z');
  const words = (state: 'alive' | 'elsewhere' | 'unknown', fromQueue: boolean) => {
    const holder = { owner: 'host:17', until, state };
    const { code, next } = processVerdict({ ...LEFT, heldByOthers: 3, holder }, 130, fromQueue);
    expect(code).toBe(4);
    return next;
  };
  for (const fromQueue of [true, false]) {
    const unknown = words('unknown', fromQueue);
    expect(unknown).toContain('others are at work: host:17 holds batches until 2024-10-01T10:00:00Z at least; if it is dead');
    expect(words('elsewhere', fromQueue)).toContain('host:17, on another host or in another container, holds batches until');
    // It is not dead: this host can tell.
    expect(words('alive', fromQueue)).toContain('host:17, which runs, holds batches until');
    expect(words('alive', fromQueue)).not.toContain('dead');
  }
}); // prettier-ignore

test('batches whose counters and rows contradict each other are exit 3, and say how that is put right', () => {
  const { code, next } = processVerdict({ ...LEFT, atOdds: 1 }, 130);
  expect(code).toBe(3);
  expect(next).toMatch(
    /^1 batch is left as it is, since .*"es-migrate verify --level counts --repair"/,
  );
});

test('what several stages have to say of failed messages is said once', () => {
  const failed = processVerdict({ ...LEFT, remaining: 0, failedInAll: 1 }, 130);
  const verdict = { code: EXIT.leftOver, next: `${ABOUT_FAILED}; another thing` };
  expect(foremost([failed, verdict])).toEqual({
    code: EXIT.leftOver,
    next: '1 message is failed; "es-migrate errors" says why, and what puts them back; "es-migrate accept" settles what cannot be had; another thing',
  });
});
