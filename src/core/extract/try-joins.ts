import type { Connections } from '../connect.js';
import type { JoinProbe } from '../elasticsearch/probe/types.js';
import { isMigrateError } from '../errors.js';
import type { Run } from '../run.js';
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
