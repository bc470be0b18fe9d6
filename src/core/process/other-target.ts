import type { Connections } from '../connect.js';
import type { Run } from '../run.js';
import { lastPlace } from '../tracking/completed.js';

/**
 * Warns where the batch that was completed last lies outside the target: a changed target.url is not an error, since a database may
 * have been migrated to several targets, but seldom meant.
 */
export async function warnOfOtherTarget(
  run: Run,
  { database, target }: Connections,
): Promise<void> {
  const place = await lastPlace(database);
  if (place === undefined || target.keyOf(place) !== undefined) return;
  const message = `messages of this tracking database were migrated to another target, such as ${place}: what is processed now goes to ${target.urlOf('')}, and verify looks at one target at a time; for a second copy use a tracking database of its own`;
  run.report({ type: 'log', level: 'warn', message });
}
