import type { z } from 'zod';
import { nearest } from './nearest.js';
import type { Problems } from './problems.js';
import {
  configSchema,
  keysOf,
  scalarKeys,
  TLS_MODE,
  withTlsMode,
  type Config,
  type KeyPath,
} from './schema.js';

/** Keys as one place (the file, the environment, the flags) has them. */
export interface RawLayer {
  /** Undefined where they couldn't be parsed. */
  readonly values: unknown;
  /** Where a key was written, for messages. */
  readonly where: (key: KeyPath) => string | undefined;
  /** What relative paths in it are relative to. */
  readonly directory: string;
}

export interface Layer extends Omit<RawLayer, 'values'> {
  readonly config: Config;
}

/**
 * Checks a layer by the schema. What is refused is added to `problems` and left out of the layer, so that the rest of it
 * can be checked further.
 */
export function checkLayer(raw: RawLayer, problems: Problems): Layer {
  const { where, directory } = raw;
  if (raw.values === undefined) return { where, directory, config: {} };
  const values = withTlsMode(raw.values);
  const result = configSchema.safeParse(values);
  if (result.success) return { where, directory, config: result.data };
  let rest: unknown = values;
  for (const issue of result.error.issues) {
    addIssue(issue, where, problems);
    const path = issue.path.map(String);
    const refused =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...path, key]) : [path];
    for (const key of refused) rest = without(rest, key);
  }
  return { where, directory, config: configSchema.safeParse(rest).data ?? {} };
}

/** A copy of `value` that lacks what stands at `path`. */
function without(value: unknown, [key, ...rest]: KeyPath): unknown {
  if (key === undefined || typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => {
    return name === key
      ? [name, rest.length === 0 ? undefined : without(inner, rest)]
      : [name, inner];
  });
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** What a key looks like. What doesn't may be a value: of `{password:hunter2}`, where a space is missing, YAML makes a key. */
const KEY = /^[A-Za-z_][A-Za-z0-9_.-]{0,127}$/;

function addIssue(issue: z.core.$ZodIssue, where: RawLayer['where'], problems: Problems): void {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) {
      const at = [...path, key];
      problems.add({
        where: where(at),
        key: [...path, KEY.test(key) ? key : '(not shown)'].join('.'),
        message: `unknown key${suggestion(path, key)}`,
      });
    }
    return;
  }
  const message =
    issue.code === 'custom'
      ? issue.message
      : issue.code === 'invalid_key'
        ? (issue.issues[0]?.message ?? issue.message)
        : issue.code === 'invalid_type'
          ? expected(path, issue.expected)
          : issue.message;
  // Written as one word, it has no key of its own.
  const isMode = path.join('.') === TLS_MODE.join('.');
  const key = (isMode ? path.slice(0, -1) : path).join('.');
  problems.add({ where: where(path), key, message });
}

function expected(path: KeyPath, type: string): string {
  const keys = keysOf(path);
  if (path.length === 0) return `must consist of keys such as ${keys.slice(0, 3).join(', ')}`;
  if (keys.length > 0) return `must be a section with keys such as ${keys.slice(0, 3).join(', ')}`;
  return type === 'record' || type === 'object'
    ? 'must be a section of keys'
    : 'is missing or has the wrong type';
}

/** The nearest key of the same section, else the same or a similar key of another one. */
function suggestion(section: KeyPath, key: string): string {
  const siblings = keysOf(section);
  const sibling = nearest(key, siblings);
  if (sibling !== undefined) return `; did you mean ${[...section, sibling].join('.')}?`;
  const elsewhere = scalarKeys.find((path) => path.at(-1)?.toLowerCase() === key.toLowerCase());
  if (elsewhere !== undefined) return `; did you mean ${elsewhere.join('.')}?`;
  return siblings.length > 0 ? `; allowed here: ${siblings.join(', ')}` : '';
}
