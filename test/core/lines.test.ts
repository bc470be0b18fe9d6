import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineStartingWith } from '../../src/core/get/lines.js';

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

async function* stream(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

test('property: the line is the one a split by line ends gives, wherever the chunks are cut', async () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', 'é', ' '), maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.boolean(),
      line,
      fc.array(fc.nat(), { maxLength: 12 }),
      async (lines, ended, start, cuts) => {
        const text = lines.join('\n') + (ended ? '\n' : '');
        const found = await lineStartingWith(
          stream(split(Buffer.from(text), cuts)),
          Buffer.from(start),
        );
        const expected = text.split('\n').find((one) => one.startsWith(start));
        expect(found?.toString()).toBe(expected);
      },
    ),
    { numRuns: 500 },
  );
});

test('it stops reading at the line it looks for', async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      read += 1;
      yield await Promise.resolve(Buffer.from(`line ${read}\n`));
    }
  }
  expect((await lineStartingWith(endless(), Buffer.from('line 3')))?.toString()).toBe('line 3');
  expect(read).toBe(3);
});

test('an unwanted line is not held: it may be longer than a buffer can be', async () => {
  const piece = Buffer.alloc(64 << 20, 'x');
  async function* long(): AsyncGenerator<Buffer> {
    yield Buffer.from('a');
    for (let i = 0; i < 80; i += 1) yield await Promise.resolve(piece);
    yield Buffer.from('\nab');
  }
  expect((await lineStartingWith(long(), Buffer.from('ab')))?.toString()).toBe('ab');
});

test('what breaks while it is read is thrown', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.from('a'));
    throw new Error('cut off');
  }
  await expect(lineStartingWith(broken(), Buffer.from('b'))).rejects.toThrow('cut off');
});
