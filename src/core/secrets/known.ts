/**
 * What this process knows of secrets. One set for the whole process, and not one for each run: an error of one run may be written
 * by the log of another, and a secret that was ever known is never to be printed.
 */
import { formsOf, SHORTEST_SECRET } from './forms.js';

/** Stands where a secret stood. */
export const MASK = '[secret]';
/** Renewed credentials that are kept; older ones have expired, since each set lasts for a quarter of an hour at least. */
const MOST_RENEWED = 8;

/** Forms of the secrets that stay as they are while this process runs. */
const lasting = new Set<string>();
/** Forms of each set of renewed credentials, the one that was used last at the end. */
const renewed = new Map<string, readonly string[]>();

/** All forms by their first characters, each list with the longest first. */
let formsByHead = new Map<string, string[]>();
let heads: RegExp | undefined;
let longest = 0;

/** From here on `scrub` takes these out of all text, in each of their forms. Empty ones, and undefined, are passed over. */
export function knowSecrets(secrets: readonly (string | undefined)[]): void {
  const before = lasting.size;
  for (const secret of secrets) {
    if (secret === undefined || lasting.has(secret)) continue;
    for (const form of formsOf(secret)) lasting.add(form);
  }
  if (lasting.size > before) index();
}

/**
 * The same for one set of credentials that are renewed while this process runs, such as those of a role: only the eight sets used last
 * are known. Costs nothing where they are those of the call before.
 */
export function knowRenewed(secrets: readonly (string | undefined)[]): void {
  const given = secrets.filter((secret): secret is string => secret !== undefined && secret !== '');
  const name = given.join('\n');
  const forms = renewed.get(name);
  if (forms) {
    renewed.delete(name);
    renewed.set(name, forms);
    return;
  }
  renewed.set(
    name,
    given.flatMap((secret) => formsOf(secret)),
  );
  const [oldest] = renewed.keys();
  if (renewed.size > MOST_RENEWED && oldest !== undefined) renewed.delete(oldest);
  index();
}

/** Text without the secrets this process knows: `[secret]` stands in their place. Takes time in proportion to its length. */
export function scrub(text: string): string {
  if (heads === undefined) return text;
  let scrubbed = '';
  let end = 0;
  heads.lastIndex = 0;
  for (let found = heads.exec(text); found; found = heads.exec(text)) {
    const { index: at } = found;
    const form = formsByHead.get(found[0])?.find((one) => text.startsWith(one, at));
    heads.lastIndex = at + (form?.length ?? 1);
    if (form === undefined) continue;
    scrubbed += text.slice(end, at) + MASK;
    end = heads.lastIndex;
  }
  return end === 0 ? text : scrubbed + text.slice(end);
}

/**
 * The beginning of a text, scrubbed. What stands at the cut is left out, since it may be a part of a secret.
 *
 * @param most how much of the text is looked at, in characters
 */
export function scrubBeginning(text: string, most: number): string {
  if (text.length <= most) return scrub(text);
  const scrubbed = scrub(text.slice(0, most));
  // Up to the last mask nothing is a part.
  const mask = scrubbed.lastIndexOf(MASK);
  const whole = mask < 0 ? 0 : mask + MASK.length;
  return scrubbed.slice(0, Math.max(whole, scrubbed.length - longest));
}

/**
 * One pattern of first characters alone, and not of whole forms: those of a token of 1,000 characters are together more than a pattern
 * can hold.
 */
function index(): void {
  const forms = [...new Set([...lasting, ...[...renewed.values()].flat()])];
  // Longest first, so that a secret that is part of another one does not leave the rest of it.
  forms.sort((a, b) => b.length - a.length);
  longest = forms[0]?.length ?? 0;
  formsByHead = new Map();
  for (const form of forms) {
    const head = form.slice(0, SHORTEST_SECRET);
    const others = formsByHead.get(head);
    if (others) others.push(form);
    else formsByHead.set(head, [form]);
  }
  heads =
    forms.length === 0
      ? undefined
      : new RegExp([...formsByHead.keys()].map(literal).join('|'), 'g');
}

function literal(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
