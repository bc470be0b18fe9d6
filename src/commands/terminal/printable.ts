import { scrub } from '../../core/secrets/known.js';

/**
 * What acts on a terminal or cannot be seen: controls (C0, DEL, C1), format characters such as those that turn the reading
 * direction, line and paragraph separators, halves of a character, and what is drawn as nothing.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;
/** The same, of what JSON does not escape by itself: within its strings, since nothing else of it holds any. */
const UNPRINTABLE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Characters that move a cursor, end a line or turn the reading direction, as `\u{…}`: of others' text nothing gets through. */
export function printable(text: string): string {
  return text.replaceAll(
    UNPRINTABLE,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** A line for a terminal, a log or an alert: printable, and without the secrets this process knows. */
export function shownLine(line: string): string {
  return printable(scrub(line));
}

/** JSON text with the same characters escaped as `\uXXXX`: it is parsed to the same value. */
export function printableJson(json: string): string {
  return json.replaceAll(UNPRINTABLE_IN_JSON, escaped);
}

/** Names of what is told apart by its exact text: an id that holds a word that is a secret somewhere is still that id. */
const EXACT = new Set(['messageId', 'id', 'index', 'indices', 'key']);

/** A value as one line of JSON: printable, its texts without the secrets this process knows, but for ids and names. */
export function shownJson(value: object): string {
  const shown = (key: string, inner: unknown): unknown =>
    typeof inner === 'string' && !EXACT.has(key) ? scrub(inner) : inner;
  return printableJson(JSON.stringify(value, shown));
}

function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, unit) => {
    return `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`;
  }).join('');
}

const SHOWN_OF_ID = 60;

/** An id in quotes, not longer than a line. */
export function shownId(id: string): string {
  const quoted = JSON.stringify(id.length > SHOWN_OF_ID ? `${id.slice(0, SHOWN_OF_ID)}…` : id);
  return printable(quoted);
}
