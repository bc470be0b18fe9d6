import type { Connections } from '../connect.js';
import { usage } from '../errors.js';
import { lastExtracted } from '../tracking/jobs.js';
import { requireOwnJobs } from '../tracking/scope.js';

/**
 * The job that `--job` names: by its number, or `last`, which is the one whose extraction ended last of those over the configured
 * index, date field and filter. Undefined where none is named.
 *
 * @throws MigrateError `usage` where there is no such job, or it is over another index
 */
export async function namedJobs(
  { database, settings }: Pick<Connections, 'database' | 'settings'>,
  job: number | 'last' | undefined,
): Promise<readonly number[] | undefined> {
  if (job === undefined) return undefined;
  const { index, dateField, filter } = settings.source;
  if (job !== 'last') {
    await requireOwnJobs(database, index, [job], 'Process');
    return [job];
  }
  const last = await lastExtracted(database, { index, dateField, filter });
  if (last !== undefined) return [last];
  throw usage(
    `--job last: nothing was extracted yet over index ${index}, date field ${dateField} and the configured filter`,
    'Run "es-migrate extract" first, or give the number of a job that "es-migrate status" lists.',
  );
}
