import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { forTerminal } from '../../src/commands/terminal/document.js';
import { createLog } from '../../src/commands/terminal/log.js';
import { printable, printableJson, shownJson } from '../../src/commands/terminal/printable.js';
import { table } from '../../src/commands/terminal/table.js';
import { lineOf } from '../../src/core/verify/diff-file.js';

/** Every character that acts on a terminal, hides, or turns the reading direction, and halves of characters. */
const HOSTILE = [
  ...[0x00, 0x07, 0x08, 0x09, 0x0a, 0x0d, 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0x9d, 0x9f, 0xad, 0x61c],
  ...[0x115f, 0x180e, 0x200b, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060],
  ...[0x2066, 0x2069, 0x3164, 0xfe0f, 0xfeff, 0xd800, 0xdfff, 0xe0001, 0xe007f],
].map((point) => String.fromCodePoint(point));
/** Clears the screen, sets the title, writes to the clipboard. */
const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\u001b]52;c;aGk=\u0007\u009b2J';
const MIXED = `a${ESCAPES}${HOSTILE.join('')}ü中😀z`;
const ACTS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;

// eslint-disable-next-line no-control-regex
const COLOUR = /\u001b\[\d+m/g;

test('what acts on a terminal is escaped, all else stays', () => {
  expect(printable(MIXED)).not.toMatch(ACTS);
  expect(printable(MIXED)).toMatch(/^a\\u\{1b\}\[2J.*ü中😀z$/);
  expect(printable('a\nb\u202e')).toBe('a\\u{a}b\\u{202e}');
});

test('JSON is parsed to the same value', () => {
  const value = { [MIXED]: [MIXED, ...HOSTILE], messageId: MIXED };
  expect(shownJson(value)).not.toMatch(ACTS);
  expect(JSON.parse(shownJson(value))).toEqual(value);
  expect(printableJson('"\u0085"')).toBe('"\\u0085"');
});

test('a cell of a table is one line', () => {
  const lines = table([
    ['code', 'messages'],
    [`x\ny${ESCAPES}`, '1'],
  ]);
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toMatch(ACTS);
  expect(lines[0]?.length).toBe(lines[1]?.length);
});

test('a line of the file of --combined is one line, and moves no cursor', () => {
  const line = lineOf({
    kind: 'foreign',
    key: MIXED.replaceAll(/[\ud800-\udfff]/g, ''),
    detail: 'x',
  });
  expect(line.slice(0, -1).replace('\t', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

describe('a line of the log', () => {
  const forged = `lost${MIXED}\n[12:00:00] INFO: 5 of 5 are done`;
  const written = (format: 'pretty' | 'json', color = false) => {
    const lines: string[] = [];
    const log = createLog({ format, level: 'info', color, write: (line) => lines.push(line) });
    log({ level: 'warn', message: forged, fields: { index: MIXED } });
    return lines.join('');
  };

  test('for people is one, and acts on nothing', () => {
    const line = written('pretty');
    expect(line.slice(0, -1)).not.toMatch(ACTS);
    expect(line.endsWith('\n')).toBe(true);
    // Its own colours are all that a colourful one has.
    expect(written('pretty', true).slice(0, -1).replaceAll(COLOUR, '')).not.toMatch(ACTS);
  });

  test('as JSON is one, and holds the same text', () => {
    const line = written('json');
    expect(line.slice(0, -1)).not.toMatch(ACTS);
    const { msg, index } = JSON.parse(line) as { msg: string; index: string };
    expect({ msg, index }).toEqual({ msg: forged, index: MIXED });
  });
});

describe('a document on a terminal', () => {
  const shown = (chunks: readonly Buffer[]) => text(Readable.from(chunks).pipe(forTerminal()));
  const document = { [MIXED.replaceAll(/[\ud800-\udfff]/g, '')]: 'ü中😀\u{e0001}' };
  const raw = Buffer.from(JSON.stringify(document));

  test('is the same value, and acts on nothing', async () => {
    const said = await shown([raw]);
    expect(said).not.toMatch(ACTS);
    expect(JSON.parse(said)).toEqual(document);
  });

  test('also where it comes byte by byte', async () => {
    const bytes = [...raw].map((byte) => Buffer.from([byte]));
    expect(await shown(bytes)).toBe(await shown([raw]));
  });

  test('controls and broken bytes that are no JSON are harmless, too', async () => {
    expect(await shown([Buffer.from('{"a"/*\u001b]52;x\u0007*/:1}\n')])).toBe(
      '{"a"/*\\u001b]52;x\\u0007*/:1}\n',
    );
    expect(await shown([Buffer.from([0x9b, 0x32, 0x4a, 0xf0, 0x9f])])).not.toMatch(ACTS);
  });
});
