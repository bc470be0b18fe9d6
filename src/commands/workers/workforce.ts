import type { Carry } from '../../core/process/types.js';
import type { Settings } from '../../core/settings.js';
import type { Processes } from './count.js';

/** Who carries the batches of a command. */
export interface Workforce {
  /** Undefined: the command itself. */
  readonly carry: Carry | undefined;
  /** What the user is to know first, one line each. */
  readonly cautions: readonly string[];
}

/** @throws MigrateError `usage` where the limits are too small to be shared out */
export async function workforceOf(
  { processes = 1 }: { readonly processes?: Processes },
  { limits }: Settings,
): Promise<Workforce> {
  if (processes === 1) return { carry: undefined, cautions: [] };
  const [{ availableParallelism }, { countWorkers }, { shareLimits }, { carryByWorkers }] =
    await Promise.all([
      import('node:os'),
      import('./count.js'),
      import('./shares.js'),
      import('./crew.js'),
    ]);
  const { workers, caution } = countWorkers(processes, availableParallelism());
  const cautions = caution === undefined ? [] : [caution];
  if (workers === 1) return { carry: undefined, cautions };
  shareLimits(limits, workers);
  return { carry: carryByWorkers(workers), cautions };
}
