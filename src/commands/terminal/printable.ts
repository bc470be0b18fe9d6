/** Characters that move a cursor, end a line or turn the reading direction, as `\u{…}`: of others' text nothing gets through. */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

const SHOWN_OF_ID = 60;

/** An id in quotes, not longer than a line. */
export function shownId(id: string): string {
  const quoted = JSON.stringify(id.length > SHOWN_OF_ID ? `${id.slice(0, SHOWN_OF_ID)}…` : id);
  return printable(quoted);
}
