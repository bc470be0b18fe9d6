import { measured, type Run } from '../run.js';
import { reached } from '../steps.js';
import type { Database } from '../tracking/database.js';
import { failBatch } from '../tracking/poisoned.js';
import { POISONED } from './failures.js';

/** Times a message of the queue is received where the queue itself sets no limit. */
export const MOST_RECEIVES = 5;
/** So often a batch may be tried without coming to an end: as with such a queue, whose last receipt is not worked on. */
export const MOST_TRIES = MOST_RECEIVES - 1;

/**
 * Gives a batch up whose tries never came to an end: its messages are failed, with the reason, and that is logged.
 *
 * @returns how many messages, and the reason; undefined where somebody else holds the batch or was faster
 */
export async function giveUp(
  { report }: Pick<Run, 'report'>,
  database: Database,
  { jobId, batchId }: { jobId: number; batchId: number },
  tries: number,
): Promise<{ messages: number; reason: string } | undefined> {
  const detail = `batch ${batchId} was tried ${tries} times, and no try came to its end: each broke off with an error that is in the log, or with its process`;
  const messages = await failBatch(database, { jobId, batchId }, detail);
  if (typeof messages === 'string') return undefined;
  reached('batch-poisoned');
  measured(report, { kind: 'given-up', messages, code: POISONED });
  const reason = `${detail}; its ${messages} messages are failed`;
  report({ type: 'log', level: 'error', message: reason, fields: { jobId, batchId } });
  return { messages, reason };
}
