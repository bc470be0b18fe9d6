import { deserialize, serialize } from 'node:v8';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/commands/exit-codes.js';
import { explain } from '../../src/commands/failure.js';
import { OnceForAll } from '../../src/commands/workers/once.js';
import { fromPlain, toPlain } from '../../src/commands/workers/plain-error.js';
import { MigrateError, usage } from '../../src/core/errors.js';
import { Fault } from '../../src/core/fault.js';

const cause = new RangeError('what lay behind it');
const stopped = new AbortController();
stopped.abort();

describe('an error that was sent between processes', () => {
  it.each([
    new MigrateError('unavailable', 'S3 was down', { advice: 'Run it again.', cause }),
    new MigrateError('busy', 'others hold it'),
    usage('--from is wrong\nand so is --to', 'Correct them.'),
    new Fault('MySQL', 'request', 'ER_SOMETHING', 'refused', { cause }),
    new Fault('S3', 'retriable', 'SlowDown', 'slow'),
    new TypeError('a bug', { cause }),
    stopped.signal.reason as Error,
  ])('leads to the same words and exit code: $name $message', (error) => {
    const received = fromPlain(
      deserialize(serialize(toPlain(error))) as ReturnType<typeof toPlain>,
    );
    expect(received.name).toBe(error.name);
    expect(exitCodeOf(received)).toBe(exitCodeOf(error));
    expect(explain(received, true)).toEqual(explain(error, true));
  });

  it('may be no error at all', () => {
    expect(fromPlain(toPlain('text')).message).toBe('text');
  });
});

describe('a line that several workers say', () => {
  it('is told once within a moment, and again later', () => {
    let now = 0;
    const once = new OnceForAll(() => now);
    const says = (by: number, message = 'S3 is slow', level: 'warn' | 'info' = 'warn') =>
      once.isNews({ level, message }, by);
    expect(says(0)).toBe(true);
    expect([says(1), says(2)]).toEqual([false, false]);
    expect(says(1, 'another line')).toBe(true);
    expect(says(1, 'S3 is slow', 'info')).toBe(true);
    now = 5_001;
    expect(says(2)).toBe(true);
    expect(says(0)).toBe(false);
  });

  it('is told as often as one of them repeats it', () => {
    const once = new OnceForAll(() => 0);
    const says = (by: number) => once.isNews({ level: 'warn', message: 'again' }, by);
    expect([says(0), says(0), says(1), says(0)]).toEqual([true, true, false, true]);
  });
});
