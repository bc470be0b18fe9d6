import { usage, type MigrateError } from '../errors.js';

/**
 * Refuses to read a URL that is not under the target's prefix: a row that was edited, or written for another target, must not
 * name what is read with this user's permissions.
 * @param prefix the target's URL, with or without a slash at its end
 */
export function outsideTarget(url: string, prefix: string): MigrateError {
  return usage(
    `${url} lies outside the target ${prefix.replace(/\/$/, '')}`,
    'Only what lies under target.url is read. If that is where the object belongs, "es-migrate get --anywhere" reads it, or give target.url that place.',
  );
}
