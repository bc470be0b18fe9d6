import { toUSVString } from 'node:util';
import { oneLine } from '../one-line.js';

/** Shorter ones are left: they occur in ordinary words, and blacking those out would tell the secret. In characters. */
export const SHORTEST_SECRET = 4;
/** Of a secret in the middle of other base64, fewer characters that are its own prove nothing. */
const SHORTEST_CORE = 8;

/**
 * Every form in which a server, a proxy, a library or a shell may write a secret: as it is, misread as Latin-1, escaped for JSON, URLs,
 * shells, SQL or HTML, and in base64 or hexadecimal. None is shorter than `SHORTEST_SECRET`.
 */
export function formsOf(secret: string): string[] {
  const text = toUSVString(secret);
  const plain = new Set([text, Buffer.from(text).toString('latin1'), oneLine(text), text.trim()]);
  const forms = [...plain].flatMap((one) => [
    one,
    ...jsonForms(one),
    ...urlForms(one),
    ...quotedForms(one),
    ...htmlForms(one),
  ]);
  const hex = Buffer.from(text).toString('hex');
  return [...new Set([...forms, ...base64Forms(text), hex, hex.toUpperCase()])].filter(
    (form) => form.length >= SHORTEST_SECRET,
  );
}

function jsonForms(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const slashes = json.replaceAll('/', '\\/');
  return [json, slashes].flatMap((one) => [
    one,
    ...hexForms(one, /[\u007f-\uffff]/g, unicodeEscape),
    // As libraries do that expect their JSON inside of HTML.
    ...hexForms(one, /[\u007f-\uffff<>&'=]/g, unicodeEscape),
    // JSON as a string within JSON.
    JSON.stringify(one).slice(1, -1),
  ]);
}

/** What is left as it is in a URL, beside letters and digits. */
const LEFT_IN_URLS = [
  // By some that escape all they can, and by PHP.
  /[A-Za-z0-9]/,
  /[A-Za-z0-9_.-]/,
  // Go's QueryEscape, and Python's quote without and with a path.
  /[A-Za-z0-9_.~-]/,
  /[A-Za-z0-9_.~/-]/,
  // Java, and forms of browsers.
  /[A-Za-z0-9_.*-]/,
  // Go's PathEscape, the path and the password of its URLs.
  /[A-Za-z0-9_.~$&+:=@-]/,
  /[A-Za-z0-9_.~$&+,/:;=@-]/,
  /[A-Za-z0-9_.~$&+,;=-]/,
];

function urlForms(text: string): string[] {
  const bytes = Array.from(Buffer.from(text).toString('latin1'));
  const escaped = LEFT_IN_URLS.map((left) =>
    bytes.map((byte) => (left.test(byte) ? byte : percentEscape(byte))).join(''),
  );
  const user = new URL('http://host');
  user.password = text;
  const all = [encodeURIComponent(text), encodeURI(text), user.password, ...escaped];
  return all.flatMap((one) =>
    [one, lowerHex(one)].flatMap((either) => [
      either,
      either.replaceAll('%20', '+'),
      // Of a URL that is a parameter of another one.
      encodeURIComponent(either),
    ]),
  );
}

/** For shells and SQL, as `util.inspect` and as Python print it, also as bytes. */
function quotedForms(text: string): string[] {
  const bytes = Buffer.from(text).toString('latin1').replaceAll('\\', '\\\\');
  const python = bytes.replaceAll(/[^ -~]/g, byteEscape);
  return [
    python,
    python.replaceAll("'", "\\'"),
    text.replaceAll("'", "'\\''"),
    text.replaceAll("'", `'"'"'`),
    text.replaceAll("'", "''"),
    text.replaceAll('"', '""'),
    text.replaceAll(/["\\$`]/g, '\\$&'),
    text.replaceAll(/['"\\]/g, '\\$&'),
    text.replaceAll(/['\\]/g, '\\$&'),
    text.replaceAll(/[^A-Za-z0-9_@%+=:,./-]/g, '\\$&'),
  ];
}

function htmlForms(text: string): string[] {
  // Some escape only what must be, others also what may be.
  const ampersand = text.replaceAll('&', '&amp;');
  const one = ampersand.replaceAll('<', '&lt;');
  const both = one.replaceAll('>', '&gt;');
  const quotes = ['"', '&quot;', '&#34;'];
  const apostrophes = ["'", '&#39;', '&#039;', '&#x27;', '&apos;'];
  const named = [ampersand, one, both].flatMap((angles) =>
    quotes.flatMap((quote) =>
      apostrophes.map((other) => angles.replaceAll('"', quote).replaceAll("'", other)),
    ),
  );
  // Mustache and its like: names for some, numbers for others.
  const mixed = named.map((form) => form.replaceAll(/[/`=]/g, (found) => entity.upper(found)));
  const numbered = [entity.decimal, entity.lower, entity.upper].flatMap((escape) => [
    ...[...new Set([text, ...named])].map((form) => form.replaceAll(/[^\0-\x7f]/gu, escape)),
    ...[/[&<>"']/g, /[&<>"']|[^\0-\x7f]/gu, /[&<>"'`=/]|[^\0-\x7f]/gu, /[^A-Za-z0-9]/gu].map(
      (some) => text.replaceAll(some, escape),
    ),
  ]);
  return [...named, ...mixed, ...numbered];
}

/** A character as a number, in HTML. */
const entity = {
  decimal: (character: string) => `&#${character.codePointAt(0) ?? 0};`,
  lower: (character: string) => `&#x${hexOf(character)};`,
  upper: (character: string) => `&#x${hexOf(character).toUpperCase()};`,
};

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

/** Alone, and within other bytes, such as those of a whole header: how it looks there depends on what stands before it. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text);
  const cores = [0, 1, 2].map((before) => {
    const padded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const whole = Math.floor(((before + bytes.length) * 8) / 6);
    return padded.slice(Math.ceil((before * 8) / 6), whole);
  });
  const alone = bytes.toString('base64');
  return [alone, ...cores.filter(({ length }) => length >= SHORTEST_CORE)].flatMap((one) => [
    one,
    one.replaceAll('+', '-').replaceAll('/', '_'),
    ...[one, one.replaceAll('=', '')].map(encodeURIComponent),
  ]);
}

/** With hexadecimal digits in either case. */
function hexForms(text: string, some: RegExp, escape: (character: string) => string): string[] {
  const lower = text.replaceAll(some, escape);
  return [lower, text.replaceAll(some, (one) => escape(one).toUpperCase().replace('U', 'u'))];
}

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function byteEscape(byte: string): string {
  return `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

function percentEscape(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

function lowerHex(text: string): string {
  return text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}
