import type { RawLayer } from './layer.js';
import { nearest } from './nearest.js';
import type { Problems } from './problems.js';
import { scalarKeys, TLS_MODE, type KeyPath } from './schema.js';

const PREFIX = 'ES_MIGRATE_';

/** Not configuration: what the sandbox and the tests are told. */
const OTHERS = /^ES_MIGRATE_(SANDBOX|TEST)_/;

/** `source.apiKeyFile` → `ES_MIGRATE_SOURCE_API_KEY_FILE`; `tracking.tls: off` → `ES_MIGRATE_TRACKING_TLS`. */
export function variableOf(key: KeyPath): string {
  if (key.join('.') === TLS_MODE.join('.')) return variableOf(key.slice(0, -1));
  return PREFIX + key.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_');
}

const known = new Map(scalarKeys.map((key) => [variableOf(key), key]));

/** Every variable there is, in the order of the schema. */
export const variables: readonly string[] = [...known.keys()];

/** Variables of the environment that are set to something. An empty one counts as not set. */
export function configuredVariables(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env).filter(
    (name) => name.startsWith(PREFIX) && !OTHERS.test(name) && env[name] !== '',
  );
}

/** The environment as a layer. Unknown ES_MIGRATE_… variables are added to `problems`. */
export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
  problems: Problems,
): RawLayer {
  const values = {};
  for (const name of configuredVariables(env)) {
    const key = known.get(name);
    if (key !== undefined) assign(values, key, env[name]);
    else problems.add({ where: name, message: `unknown variable${suggestion(name)}` });
  }
  return { values, where: variableOf, directory: cwd };
}

/** The prefix is common to all, and so it doesn't count towards their similarity. */
function suggestion(name: string): string {
  const own = (variable: string): string => variable.slice(PREFIX.length);
  const meant = nearest(own(name), variables.map(own));
  return meant === undefined
    ? '; see the configuration keys in the README'
    : `; did you mean ${PREFIX}${meant}?`;
}

function assign(values: Record<string, unknown>, [key, ...rest]: KeyPath, value: unknown): void {
  if (key === undefined) return;
  if (rest.length === 0) values[key] = value;
  else assign((values[key] ??= {}) as Record<string, unknown>, rest, value);
}
