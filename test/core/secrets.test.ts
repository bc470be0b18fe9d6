import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { knowRenewed, knowSecrets, scrub } from '../../src/core/secrets/known.js';
import { serverText } from '../../src/core/server-text.js';
import { Fault } from '../../src/core/fault.js';
import { explain } from '../../src/commands/failure.js';
import { shownJson } from '../../src/commands/terminal/printable.js';

/** A character of every kind that somebody escapes. */
const SECRET = `Aa1'"\\$%@:/ é&<>+=\`!*#?{}~\u001b.-_z`;
knowSecrets([SECRET, 'with\nbreak', 'abc', 'longer-secret', 'longer-secret-still']);

const component = encodeURIComponent(SECRET);
const json = JSON.stringify(SECRET).slice(1, -1);
const ascii = json.replaceAll(
  /[\u007f-\uffff]/g,
  (unit) => `\\u00${unit.charCodeAt(0).toString(16)}`,
);
const url = new URL('http://host');
url.username = 'user';
url.password = SECRET;

/** As libraries escape URLs: all but letters, digits and `left`. */
function quoted(left: string, text = SECRET): string {
  return Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte);
    const stays = /[A-Za-z0-9]/.test(character) || left.includes(character);
    return stays ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

const lower = (url: string): string => url.replaceAll(/%../g, (one) => one.toLowerCase());
const plus = (url: string): string => url.replaceAll('%20', '+');
const entities = (some: RegExp, radix: 10 | 16, text = SECRET): string =>
  text.replaceAll(some, (one) => {
    const point = one.codePointAt(0) ?? 0;
    return radix === 16 ? `&#x${point.toString(16)};` : `&#${point};`;
  });
const named = SECRET.replaceAll('&', '&amp;')
  .replaceAll('<', '&lt;')
  .replaceAll('>', '&gt;')
  .replaceAll('"', '&quot;');
/** Python's `repr` of bytes. */
const bytes = Array.from(Buffer.from(SECRET), (byte) => {
  const character = String.fromCharCode(byte);
  if (byte < 32 || byte > 126) return `\\x${byte.toString(16)}`;
  return /['\\]/.test(character) ? `\\${character}` : character;
}).join('');

describe('a secret is found', () => {
  test.each<[string, string]>([
    ['as it is', SECRET],
    ['misread as Latin-1', Buffer.from(SECRET).toString('latin1')],
    ['in JSON', json],
    ['in JSON of ASCII alone', ascii],
    ['in JSON with escaped slashes', json.replaceAll('/', '\\/')],
    ['in JSON within JSON', JSON.stringify(json).slice(1, -1)],
    ['in a query', component],
    ['in a query, in lower case', component.replaceAll(/%../g, (one) => one.toLowerCase())],
    ['in a form', component.replaceAll('%20', '+')],
    ['in a form, strictly', new URLSearchParams({ a: SECRET }).toString().slice(2)],
    ['in a URL', url.href],
    ['in a URL within a query', encodeURIComponent(component)],
    ['in a shell’s single quotes', SECRET.replaceAll("'", "'\\''")],
    ['in a shell’s double quotes', SECRET.replaceAll(/["\\$`]/g, '\\$&')],
    ['behind a shell’s backslashes', SECRET.replaceAll(/[^\w@%+=:,./-]/g, '\\$&')],
    ['in SQL', SECRET.replaceAll(/['"\\]/g, '\\$&')],
    ['in HTML', SECRET.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')],
    ['by Go, in a query', plus(quoted('-_.~'))],
    ['by Go, in a query, in lower case', lower(plus(quoted('-_.~')))],
    ['by Go, in a path', quoted('-_.~$&+:=@')],
    ['by Java', plus(quoted('.-*_'))],
    ['by Java, in lower case', lower(plus(quoted('.-*_')))],
    ['by Python', quoted('_.-~/')],
    ['by Python, in a form', plus(quoted('_.-~'))],
    ['by Python, as bytes', bytes],
    ['by Python, in a query within a query', quoted('_.-~', quoted('_.-~'))],
    ['in HTML, in decimal numbers', entities(/[&<>"']/g, 10)],
    ['in HTML, in hexadecimal numbers', entities(/[&<>"']/g, 16)],
    ['in HTML of ASCII alone', entities(/[^\0-\x7f]/g, 10, named).replaceAll("'", '&#39;')],
    ['in HTML, all but letters and digits', entities(/[^A-Za-z0-9]/g, 16)],
    [
      'in HTML, in upper case',
      entities(/[^A-Za-z0-9]/g, 16).replaceAll(
        /&#x[^;]+/g,
        (one) => `&#x${one.slice(3).toUpperCase()}`,
      ),
    ],
    [
      'by Mustache',
      entities(/[/`=]/g, 16, named.replaceAll("'", '&#39;'))
        .replaceAll('x2f', 'x2F')
        .replaceAll('x3d', 'x3D'),
    ],
    [
      'by templates of Go and Mustache',
      entities(/[<>"'/`=]/g, 10, SECRET.replaceAll('&', '&amp;'))
        .replaceAll('&#60;', '&lt;')
        .replaceAll('&#62;', '&gt;')
        .replaceAll('&#47;', '&#x2F;')
        .replaceAll('&#96;', '&#x60;')
        .replaceAll('&#61;', '&#x3D;'),
    ],
    ['in hexadecimal', Buffer.from(SECRET).toString('hex')],
    ['in base64', Buffer.from(SECRET).toString('base64')],
    ['in base64 for URLs', Buffer.from(SECRET).toString('base64url')],
    ['in the base64 of more', Buffer.from(`user:${SECRET}, and more`).toString('base64')],
    ['in the base64 of more, moved by one', Buffer.from(`a user:${SECRET}`).toString('base64')],
    ['in the base64 of more, moved by two', Buffer.from(`an user:${SECRET}`).toString('base64')],
  ])('%s', (_, form) => {
    const said = scrub(`before ${form} after`);
    expect(said).toContain('[secret]');
    // Nothing that is its own is left: what stands around it in base64 or in a URL is.
    for (const part of ['Aa1', SECRET.slice(4), component.slice(4), json.slice(4)])
      expect(said).not.toContain(part);
  });

  test('where its line break became a space', () => {
    expect(serverText('it was with\nbreak, it was')).toBe('it was [secret], it was');
    expect(serverText('it was with break, it was')).toBe('it was [secret], it was');
  });

  test('whole, where another one begins like it', () => {
    expect(scrub('longer-secret-still, longer-secret')).toBe('[secret], [secret]');
  });

  test('not in two halves, where the text is cut', () => {
    for (let before = 980; before < 1030; before += 1) {
      const said = serverText(`${'x'.repeat(before)}longer-secret-still and more`);
      expect(said).not.toMatch(/xlong/);
    }
  });

  test('not in its first half, where the text is cut before it is looked through', () => {
    const token = `token-${'0123456789abcdef'.repeat(75)}`;
    knowSecrets([token]);
    expect(serverText(`${token} `.repeat(60))).toMatch(/^(\[secret\] )+\[secret\]$/);
    for (const said of [`${token} `.repeat(60), `${'x'.repeat((64 << 10) - 700)}${token}`]) {
      expect(serverText(said)).not.toContain('token-0');
      expect(new Fault('S3', 'request', said, 'PUT').code).not.toContain('token-0');
    }
  });

  test('not where it is too short to be told from words', () => {
    expect(scrub('the alphabet: abc')).toBe('the alphabet: abc');
  });
});

test('errors of servers have none, whoever writes them down', () => {
  const fault = new Fault('S3', 'request', SECRET, `PUT: ${SECRET}`);
  expect(fault.message).toBe('PUT: [secret]');
  const named = new Fault('S3', 'request', 'longer-secret', 'PUT: no');
  for (const one of [fault, named]) {
    const written = [inspect(one), JSON.stringify(one), ...explain(one, true)].join('\n');
    expect(written).not.toMatch(/Aa1|longer-/);
  }
  expect(explain(named, false)[0]).toBe('S3: PUT: no ([secret])');
});

test('an id that holds the word is still that id, and a key of JSON that key', () => {
  const value = { messageId: 'longer-secret', 'longer-secret': 1, detail: 'longer-secret' };
  const shown = { messageId: 'longer-secret', 'longer-secret': 1, detail: '[secret]' };
  expect(JSON.parse(shownJson(value))).toEqual(shown);
});

test('of credentials that are renewed for ever those used last are known', () => {
  const token = (n: number): string => `session-${n}-${'token'.repeat(200)}/+ ${n}`;
  for (let n = 0; n < 30; n += 1) {
    knowRenewed([`key-no-${n}`, token(n)]);
    // Still in use, while others are renewed.
    knowRenewed(['key-no-0', token(0)]);
  }
  for (const n of [0, 23, 24, 25, 26, 27, 28, 29])
    expect(scrub(`${token(n)} and key-no-${n}!`)).toBe('[secret] and [secret]!');
  // Else a run of weeks would look for thousands.
  for (const n of [1, 22]) expect(scrub(token(n))).toBe(token(n));
  expect(scrub('longer-secret')).toBe('[secret]');
});
