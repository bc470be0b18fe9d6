/**
 * What this process knows of secrets. One set for the whole process, and not one for each run: an error of one run may be written
 * by the log of another, and a secret that was ever known is never to be printed.
 */
import { formsOf } from './forms.js';

const MASK = '[secret]';

const known = new Set<string>();
let pattern: RegExp | undefined;

/** From here on `scrub` takes these out of all text, in each of their forms. Empty ones, and undefined, are passed over. */
export function knowSecrets(secrets: readonly (string | undefined)[]): void {
  const forms = new Set(known);
  for (const secret of secrets) {
    if (secret === undefined || known.has(secret)) continue;
    for (const form of formsOf(secret)) forms.add(form);
  }
  if (forms.size === known.size) return;
  for (const form of forms) known.add(form);
  // Longest first, so that a secret that is part of another one does not leave the rest of it.
  const alternatives = [...known].sort((a, b) => b.length - a.length).map(literal);
  pattern = new RegExp(alternatives.join('|'), 'g');
}

/** Text without the secrets this process knows: `[secret]` stands in their place. */
export function scrub(text: string): string {
  return pattern === undefined ? text : text.replace(pattern, MASK);
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
