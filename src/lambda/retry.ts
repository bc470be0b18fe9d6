import { resetStuck } from '../core/recover/reset-stuck.js';
import { retry as putBack } from '../core/recover/retry.js';
import { Container } from './container.js';
import type { Context } from './event.js';

const container = new Container({ source: false, target: false }, 'send');

/** Statements that are under way may take that long, in milliseconds. */
const END_MS = 10_000;

/** What a `retry` did. */
export interface Retried {
  readonly requeued: number;
  readonly failed: number;
  readonly remaining: number;
  /** Batches and extractions whose lease had run out. */
  readonly reset: number;
}

/**
 * Puts back what is stuck, and failed messages that have attempts left, and sends a message for each pending batch that has none in
 * the queue.
 */
export function retry(_event: unknown, context: Context): Promise<Retried> {
  return container.invoke(context, END_MS, async ({ run, on, log, meter }) => {
    const stuck = await resetStuck(run, on, { olderThanMs: 0, dryRun: false });
    const all = { jobId: undefined, errorCode: undefined, force: false, dryRun: false };
    const { requeued, left, accepted, remaining } = await putBack(run, on, all);
    const reset = stuck.batches.length + stuck.extractions.length;
    const outcome = { requeued, failed: left, remaining, reset };
    log.write({ level: 'info', message: 'retry', ...outcome });
    meter.set('MessagesStandingFailed', left - accepted);
    meter.set('Backlog', remaining);
    return outcome;
  });
}
