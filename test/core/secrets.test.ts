import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { knowSecrets, scrub } from '../../src/core/secrets/known.js';
import { serverText } from '../../src/core/server-text.js';
import { Fault } from '../../src/core/fault.js';
import { shownJson } from '../../src/commands/terminal/printable.js';

/** A character of every kind that somebody escapes. */
const SECRET = `Aa1'"\\$%@:/ é&<>+=\`!#?{}~\u001b.-_z`;
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

  test('not where it is too short to be told from words', () => {
    expect(scrub('the alphabet: abc')).toBe('the alphabet: abc');
  });
});

test('errors of servers have none, whoever writes them down', () => {
  const fault = new Fault('S3', 'request', SECRET, `PUT: ${SECRET}`);
  expect(fault.message).toBe('PUT: [secret]');
  expect(fault.code).toBe('[secret]');
  expect(inspect(fault)).not.toContain('Aa1');
});

test('an id that holds the word is still that id, and a key of JSON that key', () => {
  const value = { messageId: 'longer-secret', 'longer-secret': 1, detail: 'longer-secret' };
  const shown = { messageId: 'longer-secret', 'longer-secret': 1, detail: '[secret]' };
  expect(JSON.parse(shownJson(value))).toEqual(shown);
});
