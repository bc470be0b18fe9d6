const ID_BYTES = 512;

/**
 * Ids that Elasticsearch allows and that paths, URLs, shells, collations and JSON get wrong.
 *
 * @param tag makes them differ from those of another sample.
 */
export function hostileIds(tag: string): string[] {
  return [
    `../../${tag}`,
    `a/b//${tag}`,
    `/leading/${tag}`,
    `trailing/${tag}/`,
    `100%-%2F-${tag}`,
    `"double" 'single' \`back\` ${tag}`,
    `📨-👩‍👩‍👧-${tag}`,
    `space-${tag}`,
    `space-${tag} `,
    `Case-${tag}`,
    `case-${tag}`,
    `a?b=c&d#e+${tag}`,
    `C:\\temp\\${tag}`,
    `<script>$(${tag});</script>`,
    `tab\tline\nbreak-${tag}`,
    // The same to the eye: one code point, and a letter with an accent of its own.
    `caf\u00e9-${tag}`,
    `cafe\u0301-${tag}`,
    padded(`long-${tag}-`, 'x'),
    padded(`länger-${tag}-`, 'ü'),
  ];
}

/** As long as an id may be, in bytes. */
function padded(start: string, filler: string): string {
  const room = ID_BYTES - Buffer.byteLength(start);
  const count = Math.floor(room / Buffer.byteLength(filler));
  return start + filler.repeat(count) + '-'.repeat(room - count * Buffer.byteLength(filler));
}
