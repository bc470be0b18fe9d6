/** What `--processes` says: a number of 1 or more, or as many as there are cores. */
export type Processes = number | 'auto';

/** Within a process `concurrency` already keeps requests in flight: beyond this many a core, workers wait for each other. */
const MOST_PER_CORE = 4;
/** On few cores, too, several processes help where a server takes its time to answer. */
const ALWAYS_ALLOWED = 8;

/**
 * How many worker processes to start.
 *
 * @param cores that this process may use
 * @returns with `caution`, one line, where that is fewer than was asked for
 */
export function countWorkers(
  wanted: Processes,
  cores: number,
): { workers: number; caution?: string } {
  if (wanted === 'auto') return { workers: cores };
  const most = Math.max(ALWAYS_ALLOWED, MOST_PER_CORE * cores);
  if (wanted <= most) return { workers: wanted };
  const on = `${cores} ${cores === 1 ? 'core' : 'cores'}`;
  return {
    workers: most,
    caution: `--processes: ${wanted} is more than is of use on ${on}; ${most} is taken`,
  };
}
