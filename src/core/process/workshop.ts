import type { Connections } from '../connect.js';
import { leavesPauses } from '../elasticsearch/pace.js';
import { openStaging, removeLeftovers } from '../objects/staging.js';
import type { Run } from '../run.js';
import type { Workshop } from './batch.js';
import { Budget } from './budget.js';
import { PageSize } from './page-size.js';
import { shareMemory } from './shares.js';

/** Searches of that length are hardly noticed by who searches beside us, where Elasticsearch is left alone in between. */
const BRIEF_MS = 10;

/**
 * Removes the staging directories that crashed processes left behind, and makes sure that there can be new ones.
 *
 * @throws MigrateError `usage` where nothing can be staged
 */
export async function prepareStaging({ host }: Run): Promise<void> {
  await removeLeftovers(host.temporaryDirectory, host);
  const staging = await openStaging(host.temporaryDirectory, host);
  await staging.close();
}

/**
 * Sets up what all batches of the process share.
 *
 * @param uploads most uploads of single documents in flight that are wanted; 0: there are none
 * @throws MigrateError `usage` where nothing can be staged
 */
export async function openWorkshop(
  run: Run,
  { settings, source, related }: Connections,
  concurrency: number,
  uploads = 0,
): Promise<Workshop & { close(): Promise<void> }> {
  const staging = await openStaging(run.host.temporaryDirectory, run.host);
  const { maxInFlightBytes } = settings.limits;
  const total = maxInFlightBytes === 0 ? Number.POSITIVE_INFINITY : maxInFlightBytes;
  const shares = shareMemory(total, concurrency, related.length, uploads);
  return {
    source,
    related,
    budget: new Budget(maxInFlightBytes === 0 ? 0 : shares.documentBytes),
    shares,
    pageSize: new PageSize({
      most: settings.batchSize,
      briefMs: leavesPauses(settings.limits) ? BRIEF_MS : Infinity,
    }),
    staging: staging.directory,
    close: () => staging.close(),
  };
}
