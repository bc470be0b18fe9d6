import { usage } from '../errors.js';
import { checkOwner, markerKey } from './marker.js';
import type { PrefixOwner, Target } from './target.js';

/**
 * Checks that a prefix was claimed for this tracking database before. Nothing is written: where nothing was migrated to,
 * there is nothing to look at, and a mistyped prefix must not become ours.
 *
 * @throws MigrateError `usage` where it was not, or belongs to another database
 */
export async function requirePrefix(
  target: Target,
  owner: PrefixOwner,
  signal: AbortSignal,
): Promise<void> {
  const url = target.urlOf(markerKey);
  const marker = await target.get(url, signal);
  if (!marker) {
    throw usage(
      `nothing was migrated to ${url.slice(0, -markerKey.length - 1)}: there is no ${markerKey}`,
      'Correct target.url; if only that object was removed, "es-migrate process" writes it again.',
    );
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of marker) pieces.push(piece);
  checkOwner(Buffer.concat(pieces).toString('utf8'), { url }, owner);
}
