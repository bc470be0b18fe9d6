import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdTable } from '../../src/core/process/id-table.js';

const id = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });

/** JSON text of a string, with as few escapes as can be or with nothing else, somewhere in a larger text. */
function inJson(text: string, escaped: boolean): { json: Buffer; start: number; end: number } {
  const spelled = escaped
    ? `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
    : JSON.stringify(text);
  const json = Buffer.from(`["é",${spelled}]`);
  const start = Buffer.byteLength('["é",');
  return { json, start, end: json.length - 1 };
}

test('property: finds each of its ids, however JSON spells it, and no other', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(id, { minLength: 1, maxLength: 60 }),
      fc.array(id),
      fc.boolean(),
      (ids, others, escaped) => {
        const table = new IdTable(ids.map((one) => Buffer.from(one)));
        for (const [place, one] of ids.entries()) {
          const { json, start, end } = inJson(one, escaped);
          expect(table.find(json, start, end)).toBe(place);
          expect(table.findText(one)).toBe(place);
        }
        for (const other of others.filter((one) => !ids.includes(one))) {
          const { json, start, end } = inJson(other, escaped);
          expect(table.find(json, start, end)).toBe(-1);
        }
      },
    ),
  );
});

test('ten thousand ids, each the beginning of another, and none in an empty table', () => {
  const ids = Array.from({ length: 10_000 }, (_, i) => 'a'.repeat(1 + (i % 100)) + String(i));
  const table = new IdTable(ids.map((one) => Buffer.from(one)));
  expect(ids.map((one) => table.findText(one))).toEqual(ids.map((_, i) => i));
  expect(table.findText('aa')).toBe(-1);
  expect(new IdTable([]).findText('a')).toBe(-1);
});

test('an id that JSON holds as a number is no other with the same digits in it', () => {
  const table = new IdTable(
    ['1234567890123456789', '23456789012345678'].map((id) => Buffer.from(id)),
  );
  const json = Buffer.from('[1234567890123456789]');
  expect(table.find(json, 1, json.length - 1)).toBe(0);
  expect(new IdTable([Buffer.from('23')]).find(Buffer.from('1234'), 0, 4)).toBe(-1);
});
