import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineStartingWith, type LineEnd } from '../../src/core/get/lines.js';

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const sorted = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, i) => bytes.subarray(sorted[i], end));
}

async function* stream(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

async function read(
  chunks: AsyncIterable<Buffer>,
  start: string,
): Promise<{ text: string; end: LineEnd }> {
  const lines = lineStartingWith(chunks, Buffer.from(start));
  const pieces: Buffer[] = [];
  for (;;) {
    const { done, value } = await lines.next();
    if (done) return { text: Buffer.concat(pieces).toString(), end: value };
    pieces.push(value);
  }
}

test('property: the line is the one a split by line ends gives, wherever the chunks are cut', async () => {
  const unit = fc.constantFrom('a', 'b', 'é', ' ');
  const line = fc.string({ unit, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(line),
      fc.boolean(),
      fc.string({ unit, minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      async (lines, ended, start, cuts) => {
        const text = lines.join('\n') + (ended ? '\n' : '');
        const all = text.split('\n');
        const at = all.findIndex((one) => one.startsWith(start));
        const end = at < 0 ? 'absent' : at === all.length - 1 ? 'cut-off' : 'whole';
        const found = await read(stream(split(Buffer.from(text), cuts)), start);
        expect(found).toEqual({ text: all[at] ?? '', end });
      },
    ),
    { numRuns: 500 },
  );
});

test('it reads to the end, where checksums are', async () => {
  let ended = false;
  async function* chunks(): AsyncGenerator<Buffer> {
    yield Buffer.from('line 1\nline 2\n');
    yield await Promise.resolve(Buffer.from('line 3\n'));
    ended = true;
  }
  expect(await read(chunks(), 'line 1')).toEqual({ text: 'line 1', end: 'whole' });
  expect(ended).toBe(true);
});

test('no line is held, wanted or not: each may be longer than a buffer can be', async () => {
  const piece = Buffer.alloc(64 << 20, 'x');
  async function* long(): AsyncGenerator<Buffer> {
    for (const start of ['a', '\nab', '\n']) {
      yield Buffer.from(start);
      for (let i = 0; i < 80; i += 1) yield await Promise.resolve(piece);
    }
  }
  let bytes = 0;
  for await (const part of lineStartingWith(long(), Buffer.from('ab'))) bytes += part.length;
  expect(bytes).toBe(2 + 80 * piece.length);
});

test('what breaks while it is read is thrown', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(Buffer.from('a'));
    throw new Error('cut off');
  }
  await expect(read(broken(), 'b')).rejects.toThrow('cut off');
});
