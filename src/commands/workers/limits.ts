import type { ImposedLimit } from '../../core/run.js';

/**
 * The limits that Elasticsearch imposes on workers, as one: the share of what all of them together may ask for.
 *
 * @param limits one for each worker; undefined where nothing is limited
 * @param requestsPerSecond of all workers together, as configured; 0: no limit
 */
export function limitOfAll(
  limits: readonly (ImposedLimit | undefined)[],
  requestsPerSecond: number,
): ImposedLimit | undefined {
  const imposed = limits.filter((limit) => limit !== undefined);
  // The one that is held back most says why.
  const [worst] = imposed.toSorted((a, b) => a.share - b.share);
  if (!worst) return undefined;
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  const share = sum(limits.map((limit) => limit?.share ?? 1)) / limits.length;
  return {
    share,
    inFlight: sum(imposed.map(({ inFlight }) => inFlight)),
    reason: worst.reason,
    requestsPerSecond: requestsPerSecond * share,
    since: Math.min(...imposed.map(({ since }) => since)),
  };
}
