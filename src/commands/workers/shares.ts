import { usage } from '../../core/errors.js';
import type { LimitSettings } from '../../core/settings.js';

/** As for the whole limit: less could hardly hold one page. */
const LEAST_BYTES = 1024 ** 2;

/**
 * One worker's share of the limits, which hold for all workers together; 0 stays unlimited.
 *
 * @param workers 1 or more
 * @throws MigrateError `usage` where the share of `maxInFlightBytes` is less than 1 MiB, or that of `uploads` less than 1
 */
export function shareLimits(limits: LimitSettings, workers: number): LimitSettings {
  const { sourceRequestsPerSecond, sourceLoad, uploads, maxInFlightBytes } = limits;
  const bytes = Math.floor(maxInFlightBytes / workers);
  if (maxInFlightBytes > 0 && bytes < LEAST_BYTES) {
    const most = Math.floor(maxInFlightBytes / LEAST_BYTES);
    throw usage(
      `--processes ${workers}: limits.maxInFlightBytes is ${maxInFlightBytes} bytes for all of them, which leaves each less than 1MiB`,
      `Give at most --processes ${most}, or raise limits.maxInFlightBytes to ${workers}MiB or more.`,
    );
  }
  if (uploads > 0 && uploads < workers) {
    throw usage(
      `--processes ${workers}: limits.uploads is ${uploads} for all of them, which leaves some without any`,
      `Give at most --processes ${uploads}, or raise limits.uploads to ${workers} or more.`,
    );
  }
  return {
    ...limits,
    uploads: Math.floor(uploads / workers),
    sourceRequestsPerSecond: sourceRequestsPerSecond / workers,
    sourceLoad: sourceLoad / workers,
    maxInFlightBytes: bytes,
  };
}

/** How many batches each worker may claim, as even as can be; workers that none are left for are left out. */
export function shareBatches(
  maxBatches: number | undefined,
  workers: number,
): (number | undefined)[] {
  const all = Array.from({ length: workers }, (_, i) =>
    maxBatches === undefined ? undefined : Math.floor((maxBatches + workers - 1 - i) / workers),
  );
  return all.filter((share) => share !== 0);
}
