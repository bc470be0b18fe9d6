import type { Connections } from '../core/connect.js';
import { countBatches } from '../core/tracking/counters.js';
import type { MetricName } from './metrics.js';
import type { Part } from './part.js';

const EVERY_MS = 60_000;

/** Counts, once a minute, what is left to be done and what stands as failed and is not accepted. */
export function watchBacklog(level: (name: MetricName, value: number) => void): Part {
  // By the connection for leases: it has little patience, and nobody is to wait for this.
  const count = async ({ leases }: Connections) => {
    const { messages } = await countBatches(leases);
    level('Backlog', messages.pending + messages.inProgress);
    level('MessagesStandingFailed', messages.failed - messages.accepted);
  };
  return {
    connected: (on) => {
      let counting: Promise<void> | undefined;
      const next = () => {
        // While MySQL is down the run itself says so.
        counting ??= count(on)
          .catch(() => undefined)
          .finally(() => (counting = undefined));
      };
      const timer = setInterval(next, EVERY_MS).unref();
      next();
      return async () => {
        clearInterval(timer);
        await counting;
        // What the run has left behind.
        next();
        await counting;
      };
    },
    close: () => Promise.resolve(),
  };
}
