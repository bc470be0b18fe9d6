import type { Connections } from '../connect.js';
import { usage } from '../errors.js';
import type { RelatedIndex } from '../elasticsearch/mappings.js';
import { openStaging, removeLeftovers } from '../objects/staging.js';
import type { Run } from '../run.js';
import { databaseId } from '../tracking/lookup.js';
import type { Workshop } from './batch.js';
import { ByteBudget } from './byte-budget.js';
import { PageSize } from './page-size.js';
import { shareMemory } from './shares.js';

/** An Elasticsearch `_id` has at most this many bytes, and no more characters. */
const LONGEST_ID = 512;

/**
 * Checks source and target before anything is claimed, and sets up what all batches of the process share. Staging
 * directories that crashed processes left behind are removed.
 *
 * @throws MigrateError `usage`
 */
export async function openWorkshop(
  run: Run,
  { settings, source, target, database }: Connections,
  concurrency: number,
): Promise<Workshop & { close(): Promise<void> }> {
  const { hostname, pid, temporaryDirectory, isAlive } = run.host;
  if (!settings.target)
    throw usage('no target is configured', 'Set target.url, or ES_MIGRATE_TARGET_URL.');
  await target.claimPrefix({ databaseId: await databaseId(database) }, run.stop);
  await source.inspect(run.stop);
  const related = await source.inspectRelated(run.stop);
  for (const one of related) warnOfShortKeys(run, one);
  await removeLeftovers(temporaryDirectory, { hostname, isAlive });
  const staging = await openStaging(temporaryDirectory, { hostname, pid });
  const budget = new ByteBudget(settings.limits.maxInFlightBytes);
  const shares = shareMemory(budget.total, concurrency, related.length);
  return {
    source,
    related,
    budget,
    shares,
    pageSize: new PageSize(shares.pageBytes, settings.batchSize),
    staging: staging.directory,
    close: () => staging.close(),
  };
}

function warnOfShortKeys(run: Run, { name, index, key, longestKey }: RelatedIndex): void {
  if (longestKey >= LONGEST_ID) return;
  run.report({
    type: 'log',
    level: 'warn',
    message: `${index}.${key} (source.related.${name}) indexes ids of up to ${longestKey} characters only (ignore_above); messages with longer ids fail with unindexed_key`,
  });
}
