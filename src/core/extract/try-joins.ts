import type { Connections } from '../connect.js';
import type { JoinProbe } from '../elasticsearch/probe/types.js';
import { isMigrateError } from '../errors.js';
import type { Run } from '../run.js';
import { spanOfJobs } from '../tracking/joins.js';
import type { JobSet } from '../tracking/scope.js';
import type { Interval } from './types.js';

/**
 * Tries the joins of related records on a sample of the interval's messages, before anything is stored.
 *
 * @returns what was found; `stopped` where the run is told to stop meanwhile
 * @throws MigrateError `usage` where a join does not give messages their records
 */
export async function tryJoins(
  run: Run,
  { source, related, indices }: Connections,
  interval: Interval,
): Promise<readonly JoinProbe[] | 'stopped'> {
  const say = (message: string, level: 'debug' | 'warn') =>
    run.report({ type: 'log', level, message });
  try {
    return await source.probeJoins({ related, indices, interval, say }, run.stop);
  } catch (error) {
    if (!run.stop.aborted || isMigrateError(error)) throw error;
    return 'stopped';
  }
}

/**
 * The same over all that these jobs are about, for joins that were not tried when the jobs were made.
 *
 * @param which `untried`: only jobs that keep no joins yet, as those an earlier version has begun
 * @throws MigrateError `usage` as `tryJoins`
 */
export async function tryJoinsOfJobs(
  run: Run,
  on: Connections,
  jobs: JobSet,
  which: 'all' | 'untried',
): Promise<void> {
  if (on.related.length === 0) return;
  const span = await spanOfJobs(on.database, jobs, which === 'untried');
  if (span) await tryJoins(run, on, span);
}
