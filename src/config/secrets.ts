import { inspect } from 'node:util';
import type { Settings } from '../core/settings.js';

const MASK = '[secret]';

/**
 * The same object, whose secrets neither `console.log` nor `JSON.stringify` shows: they stand in it as plain
 * properties, but printing it by accident prints a mask.
 */
export function masked<T extends object>(value: T, secrets: readonly (keyof T)[]): T {
  const shown = (): object => ({
    ...value,
    ...Object.fromEntries(secrets.map((key) => [key, MASK])),
  });
  Object.defineProperty(value, 'toJSON', { value: shown });
  Object.defineProperty(value, inspect.custom, { value: shown });
  return value;
}

/** Every secret of the settings, in each form in which a server or a library might echo it. */
export function secretsOf({ source, tracking }: Settings): string[] {
  const secrets = [tracking.password];
  if (source.auth && 'apiKey' in source.auth) secrets.push(source.auth.apiKey);
  if (source.auth && 'password' in source.auth) {
    const { username, password } = source.auth;
    secrets.push(password, Buffer.from(`${username}:${password}`).toString('base64'));
  }
  return [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))].filter(
    (secret) => secret !== '',
  );
}
