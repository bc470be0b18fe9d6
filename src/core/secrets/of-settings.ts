import type { Settings } from '../settings.js';

/** Every secret of the settings, with what is made of them for a request. */
export function secretsOf({ source, tracking }: Pick<Settings, 'source' | 'tracking'>): string[] {
  const secrets = [tracking.password];
  const { auth } = source;
  if (auth && 'apiKey' in auth) secrets.push(auth.apiKey, keyWithin(auth.apiKey));
  if (auth && 'password' in auth)
    secrets.push(auth.password, ...basicToken(auth.username, auth.password));
  return secrets.filter((secret) => secret !== '');
}

/** What HTTP's Basic scheme sends, and what that is in base64. */
export function basicToken(username: string, password: string): string[] {
  const pair = `${username}:${password}`;
  return [pair, Buffer.from(pair).toString('base64')];
}

/** An encoded API key is the base64 of its id, a colon and the secret. */
function keyWithin(apiKey: string): string {
  const decoded = Buffer.from(apiKey, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 || decoded.includes('\ufffd') ? '' : decoded.slice(colon + 1);
}
