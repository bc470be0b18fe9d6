import { z } from 'zod';
import { DURATION_FORM, parseDuration } from './durations.js';
import type { IndexPair } from '../core/settings.js';
import { JsonText } from './json-text.js';
import { parseSize, SIZE_FORM } from './sizes.js';
import type { Parsed } from './urls.js';

/** Keys with one value: those, and only those, have an environment variable. */
const scalars = new WeakSet<z.core.$ZodType>();
export const isScalarKey = (schema: z.core.$ZodType): boolean => scalars.has(schema);

/** A key with one value. `read` returns it, or `{ wrong }`: a sentence about it. Variables and flags give text. */
function leaf<T>(read: (raw: unknown) => Parsed<T>) {
  const schema = z.unknown().transform((raw, context): T => {
    const result =
      raw === undefined
        ? { wrong: 'is not set' }
        : raw === null
          ? { wrong: 'has no value' }
          : read(raw);
    if (typeof result !== 'object' || result === null || !('wrong' in result)) return result;
    context.issues.push({ code: 'custom', message: result.wrong, input: raw });
    return z.NEVER;
  });
  scalars.add(schema);
  return schema;
}

const show = (raw: unknown): string => {
  if (Array.isArray(raw)) return 'a list';
  if (typeof raw === 'object' && raw !== null) return 'a section';
  const text = JSON.stringify(raw);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

/** Text that may be quoted in messages. `pattern` is what it must match, `form` says so in words. */
export function text(form: string, pattern = /\S/) {
  return leaf<string>((raw) => {
    if (typeof raw === 'number' || typeof raw === 'boolean')
      return { wrong: `${show(raw)} must be put in quotes` };
    return typeof raw === 'string' && pattern.test(raw)
      ? raw
      : { wrong: `${show(raw)} is not ${form}` };
  });
}

/** Text that is never quoted in messages, since people put a secret there by mistake. `form` says in words what it must be. */
export function unquotedText(form: string) {
  return leaf<string>((raw) => {
    if (typeof raw === 'number' || typeof raw === 'boolean')
      return { wrong: 'must be put in quotes' };
    return typeof raw === 'string' && /\S/.test(raw) ? raw : { wrong: `is not ${form}` };
  });
}

/** Text that is never quoted in messages. */
export function secretText() {
  return leaf<string>((raw) => {
    if (typeof raw === 'string') return raw === '' ? { wrong: 'is empty' } : raw;
    return { wrong: 'is not text; put it in quotes' };
  });
}

/** Text with a form of its own, such as a URL, by its parser. What is wrong is told without quoting the text. */
export function parsed<T>(form: string, read: (text: string) => Parsed<T>) {
  return leaf<T>((raw) =>
    typeof raw === 'string' && raw !== '' ? read(raw.trim()) : { wrong: `is not ${form}` },
  );
}

/** A list of URLs, comma-separated in variables, or one. */
export function urls<T>(read: (texts: readonly string[]) => Parsed<T>) {
  return leaf<T>((raw) => {
    const list: unknown[] =
      typeof raw === 'string' ? raw.split(',') : Array.isArray(raw) ? raw : [];
    const texts = list.filter((item) => typeof item === 'string').map((item) => item.trim());
    return texts.length === list.length && texts.length > 0
      ? read(texts)
      : { wrong: 'is neither a URL nor a list of URLs' };
  });
}

export function integer(min: number, max = Number.MAX_SAFE_INTEGER) {
  const upTo =
    max === Number.MAX_SAFE_INTEGER
      ? `of ${grouped(min)} or more`
      : `from ${grouped(min)} to ${grouped(max)}`;
  return leaf<number>((raw) => {
    const value = asNumber(raw);
    if (value !== undefined && Number.isSafeInteger(value) && value >= min && value <= max)
      return value;
    return { wrong: `${show(raw)} is not allowed; give a whole number ${upTo}` };
  });
}

/** A number, 0 or more; `unit` says of what. */
export function rate(unit = 'a number a second') {
  return leaf<number>((raw) => {
    const value = asNumber(raw);
    if (value !== undefined && Number.isFinite(value) && value >= 0) return value;
    return { wrong: `${show(raw)} is not allowed; give ${unit}, 0 = unlimited` };
  });
}

/** A share of a whole, above 0 and up to 1; also as a percentage. */
export function share(form: string) {
  return leaf<number>((raw) => {
    const percentage = typeof raw === 'string' && raw.trim().endsWith('%');
    const value = asNumber(percentage ? raw.trim().slice(0, -1) : raw);
    const part = value !== undefined && percentage ? value / 100 : value;
    return part !== undefined && part > 0 && part <= 1
      ? part
      : { wrong: `${show(raw)} is not ${form}` };
  });
}

export function boolean() {
  return leaf<boolean>((raw) => {
    if (raw === true || raw === 'true') return true;
    if (raw === false || raw === 'false') return false;
    return { wrong: `${show(raw)} is not allowed; give true or false` };
  });
}

/** `off` and `on`, which older versions of YAML, JSON and variables also write as false and true. */
export function offOrOn() {
  return leaf<'off' | 'on'>((raw) => {
    const word = String(raw).toLowerCase();
    if (word === 'off' || word === 'false') return 'off';
    if (word === 'on' || word === 'true') return 'on';
    return { wrong: `${show(raw)} is not allowed; give off or on` };
  });
}

export function choice<const T extends string>(...allowed: readonly T[]) {
  return leaf<T>((raw) => {
    const found = allowed.find((value) => value === raw);
    return found ?? { wrong: `${show(raw)} is not allowed; give ${allowed.join(' or ')}` };
  });
}

/** A duration in milliseconds, `minMs` to `maxMs`. */
export function duration(minMs: number, maxMs: number, range: string) {
  return leaf<number>((raw) => {
    const ms = typeof raw === 'string' || raw === 0 ? parseDuration(String(raw)) : undefined;
    if (ms === undefined) return { wrong: `${show(raw)} is not ${DURATION_FORM}` };
    return ms >= minMs && ms <= maxMs
      ? ms
      : { wrong: `${show(raw)} is not allowed; give ${range}` };
  });
}

const SMALLEST_SIZE = 1024 ** 2;

/** A size in bytes. */
export function size() {
  return leaf<number>((raw) => {
    const bytes =
      typeof raw === 'string' || typeof raw === 'number' ? parseSize(String(raw)) : undefined;
    if (bytes === undefined) return { wrong: `${show(raw)} is not ${SIZE_FORM}` };
    // Almost certainly a unit left out: 256 for 256MiB.
    if (bytes > 0 && bytes < SMALLEST_SIZE)
      return { wrong: `${show(raw)} is less than 1MiB; write ${SIZE_FORM}` };
    return bytes;
  });
}

/** A JSON object, kept as text. Has no variable: it isn't one value. */
export function jsonObject() {
  return z.unknown().transform((raw, context): JsonText => {
    if (raw instanceof JsonText && raw.text.startsWith('{')) return raw;
    context.issues.push({
      code: 'custom',
      message: 'is not a query, such as { term: { channel: sms } }',
      input: raw,
    });
    return z.NEVER;
  });
}

/** One value, or a list of them, without repetition; always given as a list. */
export function oneOrMore(one: z.ZodType<string>) {
  return z.unknown().transform((raw, context): readonly string[] => {
    const items: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
    const refuse = (message: string) => {
      context.issues.push({ code: 'custom', message, input: raw });
      return z.NEVER;
    };
    if (items.length === 0) return refuse('is an empty list');
    const read: string[] = [];
    for (const item of items) {
      const { success, data, error } = one.safeParse(item);
      if (!success) return refuse(error.issues[0]?.message ?? 'is not allowed');
      if (read.includes(data)) return refuse(`names ${data} twice`);
      read.push(data);
    }
    return read;
  });
}

/** An index, or pairs of a regular expression for indices of messages and the related index of those it matches. */
export function indexOrPairs(index: z.ZodType<string>) {
  return z.unknown().transform((raw, context): string | readonly IndexPair[] => {
    const refuse = (message: string) => {
      context.issues.push({ code: 'custom', message, input: raw });
      return z.NEVER;
    };
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      const { success, data, error } = index.safeParse(raw);
      return success ? data : refuse(error.issues[0]?.message ?? 'is not allowed');
    }
    const pairs: IndexPair[] = [];
    for (const [messages, given] of Object.entries(raw)) {
      const related = index.safeParse(given);
      if (!isPattern(messages)) return refuse(`${show(messages)} is not a regular expression`);
      if (!related.success)
        return refuse(`${show(given)} (of ${show(messages)}) is not an index, alias or pattern`);
      pairs.push({ messages, related: related.data });
    }
    return pairs.length > 0
      ? pairs
      : refuse("has no pairs; write { 'messages-(.*)': 'history-$1' }");
  });
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

function asNumber(raw: unknown): number | undefined {
  if (typeof raw === 'number') return raw;
  return typeof raw === 'string' && /^-?\d+(\.\d+)?$/.test(raw.trim()) ? Number(raw) : undefined;
}

const grouped = (value: number): string => value.toLocaleString('en-US');
