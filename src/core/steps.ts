import { channel } from 'node:diagnostics_channel';

/**
 * Every step before and after which another process finds something else, or which it might meet half-way, in the
 * order a message meets them. `job-inserted`, `windows-inserted`, `page-inserted`, `failed-moved`, `batch-taken`,
 * `counters-moved` and `rows-completed` lie inside a transaction, before its COMMIT. Published, with nobody listening as a
 * rule: tests stop the process there.
 */
export const STEPS = [
  'job-inserted',
  'job-created',
  'job-leased',
  'windows-inserted',
  'windows-planned',
  'window-opened',
  'page-read',
  'page-inserted',
  'page-stored',
  'window-read',
  'window-closed',
  'job-closed',
  'job-released',
  'failed-moved',
  'failed-requeued',
  'batch-taken',
  'batch-claimed',
  'messages-read',
  'records-read',
  'document-staged',
  'upload-begun',
  'part-uploaded',
  'object-uploaded',
  'index-uploaded',
  'batch-uploaded',
  'predecessor-removed',
  'counters-moved',
  'rows-completed',
  'batch-completed',
  'batch-released',
  'verify-begun',
  'verify-checkpoint',
  'repair-applied',
] as const;

/** The same, where batches are handed out by a queue. */
export const QUEUE_STEPS = [
  'messages-sent',
  'messages-marked',
  'message-sent-again',
  'batch-poisoned',
] as const;

export type Step = (typeof STEPS)[number];
export type QueueStep = (typeof QUEUE_STEPS)[number];

const steps = channel('es-migrate:step');

/** Says that a step was reached. Costs nothing where nobody listens. */
export function reached(step: Step | QueueStep): void {
  if (steps.hasSubscribers) steps.publish(step);
}
