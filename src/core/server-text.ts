/**
 * Text of others, where it enters: what a server, a proxy before it or a library says of a failed request. It may have megabytes,
 * and may repeat what it was sent, credentials included. It is cut before any pattern looks at it.
 */
import { oneLine, shortened } from './one-line.js';
import { scrub } from './secrets/known.js';

/** Longest text that is kept of a message, in characters. */
export const LONGEST_TEXT = 1024;
/** Longest name of an error, such as `circuit_breaking_exception`, in characters. */
const LONGEST_CODE = 64;
/** What is looked through for secrets, in characters: one that is cut in two there is cut off. */
const LOOKED_THROUGH = 64 << 10;

/**
 * A text of others as it may be kept, logged and shown: short, on one line, without the secrets this process knows. Anything but text
 * becomes nothing.
 */
export function serverText(said: unknown, most = LONGEST_TEXT): string {
  if (typeof said !== 'string') return '';
  return shortened(oneLine(scrub(said.slice(0, LOOKED_THROUGH))).trim(), most);
}

/** The name that a server gives an error: printable ASCII, at most 64 characters. */
export function serverCode(code: string): string {
  return scrub(code.slice(0, LOOKED_THROUGH))
    .slice(0, LONGEST_CODE)
    .replaceAll(/[^ -~]/g, '_');
}
