import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSpool } from '../../src/core/objects/spool.js';
import {
  indexText,
  readBatchIndex,
  UnreadableIndex,
  type BatchIndex,
} from '../../src/core/process/batch-index.js';
import { MemberWriter, type LinePlace } from '../../src/core/process/members.js';
import { bytesOf, temporaryDirectory } from './support.js';
import { gzipSync } from 'node:zlib';

const KIB = 1 << 10;
const MEMBER = 64 * KIB;

interface Written {
  readonly packed: Buffer;
  readonly places: readonly LinePlace[];
  readonly offsets: readonly number[];
}

/** Lines of these lengths, told apart by their numbers, each in pieces of up to `piece` bytes. */
function lineOf(number: number, length: number): Buffer {
  const name = `${number}:`;
  return Buffer.from(name + 'x'.repeat(Math.max(0, length - name.length)));
}

async function write(lines: readonly Buffer[], piece: number): Promise<Written> {
  const spool = createSpool({ memoryLimit: Number.POSITIVE_INFINITY, directory: '/nowhere' });
  const writer = new MemberWriter(spool);
  const places: LinePlace[] = [];
  for (const line of lines) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < line.length; at += piece) pieces.push(line.subarray(at, at + piece));
    places.push(await writer.line(line.length, pieces));
  }
  const offsets = await writer.finish();
  return { packed: await bytesOf(await spool.finish()), places, offsets };
}

/** The lines between two offsets. */
function linesAt({ packed, offsets }: Written, member: number): string[] {
  const unpacked = gunzipSync(packed.subarray(offsets[member], offsets[member + 1]));
  const lines = unpacked.toString().split('\n');
  expect(lines.pop()).toBe('');
  return lines;
}

test('property: every line is where its place says, the whole is one .gz, and members are neither small nor shared', async () => {
  const length = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 20 * KIB }) },
    { weight: 2, arbitrary: fc.integer({ min: 60 * KIB, max: 70 * KIB }) },
    { weight: 1, arbitrary: fc.integer({ min: 70 * KIB, max: 400 * KIB }) },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(length, { maxLength: 40 }),
      fc.constantFrom(10 * KIB, MEMBER, 1 << 30),
      async (lengths, piece) => {
        const lines = lengths.map((bytes, i) => lineOf(i, bytes));
        const written = await write(lines, piece);
        const { packed, places, offsets } = written;
        const whole = lines.map((line) => `${line.toString()}\n`).join('');
        if (lines.length > 0) expect(gunzipSync(packed).toString() === whole).toBe(true);
        const members = offsets.map((_, i) => linesAt(written, i));
        expect(members.flat().length).toBe(lines.length);
        places.forEach(({ member, line }, i) => {
          expect(members[member]?.[line - 1] === lines[i]?.toString()).toBe(true);
        });
        members.forEach((own, i) => {
          const before = own.slice(0, -1).reduce((sum, line) => sum + line.length + 1, 0);
          const all = before + (own.at(-1)?.length ?? 0) + 1;
          expect(before).toBeLessThan(MEMBER);
          // A long line stands alone; a member that isn't full is the last, or stands before a long line.
          if (own.some((line) => line.length >= MEMBER)) expect(own).toHaveLength(1);
          const next = members[i + 1]?.[0]?.length ?? MEMBER;
          if (next < MEMBER) expect(all).toBeGreaterThanOrEqual(MEMBER);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test.each([
  ['small', 30 * KIB],
  ['large', 1024 * KIB],
])(
  'a long line in %s pieces takes members of about 64 KB, so that it need not be held',
  async (_, bytes) => {
    const lines = [lineOf(0, 100), lineOf(1, 5 << 20), lineOf(2, 100)];
    const { packed, offsets, places } = await write(lines, bytes);
    expect(places).toEqual([
      { member: 0, line: 1 },
      { member: 1, line: 1 },
      { member: 2, line: 1 },
    ]);
    const magic = Buffer.from([0x1f, 0x8b, 0x08]);
    let members = 0;
    for (let at = packed.indexOf(magic, offsets[1]); at >= 0 && at < (offsets[2] ?? 0);) {
      members += 1;
      at = packed.indexOf(magic, at + 1);
    }
    expect(members).toBeGreaterThan((5 << 20) / (2 * MEMBER));
  },
);

test('zcat reads it whole', async () => {
  const lines = Array.from({ length: 300 }, (_, i) => lineOf(i, (i * 37) % 2000));
  const { packed } = await write(lines, 1 << 20);
  const path = join(await temporaryDirectory(), 'batch.ndjson.gz');
  await writeFile(path, packed);
  const text = execFileSync('zcat', [path], { maxBuffer: 1 << 30 }).toString();
  expect(text).toBe(lines.map((line) => `${line.toString()}\n`).join(''));
});

const small: BatchIndex = {
  object: 'batch-0000000001-0001.ndjson.gz',
  bytes: 10,
  sha256: '0'.repeat(64),
  members: [0, 5],
  documents: [
    { message_id: 'a"\n\u0000😀', index: 'i', member: 0, line: 1, revision: 2 ** 32 - 1 },
    { message_id: 'b', index: 'i', member: 1, line: 1, revision: null },
  ],
};

test('an index is JSON, one line a document, and comes back as it was, at its largest, too', async () => {
  const largest: BatchIndex = {
    ...small,
    members: Array.from({ length: 10_000 }, (_, i) => i),
    bytes: 20_000,
    documents: Array.from({ length: 10_000 }, (_, i) => ({
      // As JSON, six bytes for each of its 512.
      message_id: String(i).padStart(5, '0') + '\u0001'.repeat(507),
      index: 'i'.repeat(255),
      member: i,
      line: 1,
      revision: i,
    })),
  };
  for (const index of [{ ...small, documents: [] }, small, largest]) {
    const text = [...indexText(index)].join('');
    expect(JSON.parse(text)).toEqual(index);
    expect(text.split('\n')).toHaveLength(index.documents.length + 3);
    expect(await readBatchIndex(gzipSync(text))).toEqual(index);
  }
});

test.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['no gzip', Buffer.from('{}')],
  ['no JSON', gzipSync('{')],
  ['cut off', gzipSync([...indexText(small)].join('')).subarray(0, -9)],
  ['null', gzipSync('null')],
  ['other JSON', gzipSync('{"object":"x"}')],
  ['a member out of range', gzipSync(JSON.stringify({ ...small, members: [0] }))],
  ['members out of order', gzipSync(JSON.stringify({ ...small, members: [5, 0] }))],
  ['members behind the end', gzipSync(JSON.stringify({ ...small, bytes: 5 }))],
  ['a document that is none', gzipSync(JSON.stringify({ ...small, documents: [null] }))],
  ['more than an index can be', gzipSync(Buffer.alloc(65 << 20, ' '))],
])('what is no index is refused: %s', async (_, packed) => {
  await expect(readBatchIndex(packed)).rejects.toThrow(UnreadableIndex);
});
