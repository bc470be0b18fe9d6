import { usage } from '../errors.js';
import { checkOwner, LONGEST_MARKER, markerKey, notAMarker, styleOf } from './marker.js';
import type { ClaimedPrefix, PrefixOwner, Target } from './target.js';

/**
 * Checks that a prefix was claimed for this tracking database before. Nothing is written: where nothing was migrated to,
 * there is nothing to look at, and a mistyped prefix must not become ours.
 *
 * @returns what its marker says
 * @throws MigrateError `usage` where it was not, or belongs to another database
 */
export async function requirePrefix(
  target: Target,
  owner: PrefixOwner,
  signal: AbortSignal,
): Promise<ClaimedPrefix> {
  const url = target.urlOf(markerKey);
  const marker = await target.get(url, signal);
  if (!marker) {
    throw usage(
      `nothing was migrated to ${url.slice(0, -markerKey.length - 1)}: there is no ${markerKey}`,
      'Correct target.url; if only that object was removed, "es-migrate process" writes it again.',
    );
  }
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of marker) {
    bytes += piece.length;
    if (bytes > LONGEST_MARKER) throw notAMarker(url);
    pieces.push(piece);
  }
  const found = checkOwner(Buffer.concat(pieces).toString('utf8'), { url }, owner);
  const keyStyle = styleOf(found, { url, style: url.startsWith('file:') ? 'file' : 's3' });
  return { ignoresConditions: false, ...(keyStyle && { keyStyle }) };
}
