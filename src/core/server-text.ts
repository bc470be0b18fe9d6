/**
 * Text of others, where it enters: what a server, a proxy before it or a library says of a failed request. It may have megabytes,
 * and may repeat what it was sent, credentials included. It is cut before any pattern looks at it.
 */
import { oneLine, shortened } from './one-line.js';
import { scrubBeginning } from './secrets/known.js';

/** Longest text that is kept of a message, in characters. */
export const LONGEST_TEXT = 1024;
/** Longest name of an error, such as `circuit_breaking_exception`, in characters. */
const LONGEST_CODE = 64;
/** What is looked through for secrets, in characters. */
const LOOKED_THROUGH = 64 << 10;

/**
 * A text of others as it may be kept, logged and shown: short, on one line, without the secrets this process knows. Anything but text
 * becomes nothing.
 */
export function serverText(said: unknown, most = LONGEST_TEXT): string {
  if (typeof said !== 'string') return '';
  return shortened(oneLine(scrubBeginning(said, LOOKED_THROUGH)).trim(), most);
}

/**
 * The same text for our code to look for words in, with the secrets: one that is a word of it, such as `index`, must not change what an
 * error means. Never to be kept, logged or shown.
 */
export function comparedText(said: unknown): string {
  if (typeof said !== 'string') return '';
  return shortened(oneLine(said.slice(0, LOOKED_THROUGH)).trim(), LONGEST_TEXT);
}

/** Whatever a server may call an error. */
const NAME = /^[\w. -]{1,64}$/;

/**
 * The name that a server gives an error, to compare it: printable ASCII, at most 64 characters. A secret may be a part of it, or all of
 * it: it is shown by `serverText`.
 */
export function serverCode(code: string): string {
  if (NAME.test(code)) return code;
  return scrubBeginning(code, LOOKED_THROUGH)
    .slice(0, LONGEST_CODE)
    .replaceAll(/[^ -~]/g, '_');
}
