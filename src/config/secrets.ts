import { inspect } from 'node:util';
import { knowSecrets, MASK } from '../core/secrets/known.js';
import { basicToken } from '../core/secrets/of-settings.js';

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

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that hold a secret, ours and those of AWS; not those with the path of a file that does. */
const SECRET_NAME =
  /^(ES_MIGRATE|AWS)_(.*_)?(PASSWORD|API_KEY|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN|AUTHORIZATION_TOKEN)$/;
/** Variables with a URL that may have a password in it. */
const URL_NAME = /^(ES_MIGRATE_.*_URL|(HTTPS?|ALL)_PROXY)$/i;

/** Has the secrets of an environment taken out of all text from here on, whether or not they are used. */
export function knowEnvironment(env: Environment): void {
  const given = Object.entries(env).filter(([, value]) => value !== undefined && value !== '');
  const secrets = given.filter(([name]) => SECRET_NAME.test(name)).map(([, value]) => value);
  const ofUrls = given.filter(([name]) => URL_NAME.test(name)).flatMap(([, url]) => passwords(url));
  knowSecrets([...secrets, ...ofUrls]);
}

/** Of one URL, or of several with commas between them. */
function passwords(urls = ''): string[] {
  return urls.split(',').flatMap((text) => {
    if (!URL.canParse(text.trim())) return [];
    const { username, password } = new URL(text.trim());
    if (password === '') return [];
    const [user, decoded] = [decode(username), decode(password)];
    return [password, decoded, ...basicToken(user, decoded)];
  });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
