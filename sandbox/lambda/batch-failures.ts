import type { Outcome } from './container.js';

/**
 * The messages of an event that are not deleted, as the Lambda developer guide has it for `ReportBatchItemFailures`: none where the
 * function names none; all where it throws, ends, is too late, or names what it was not given.
 *
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 */
export function batchFailures(outcome: Outcome, messageIds: readonly string[]): readonly string[] {
  if (outcome.kind !== 'returned') return messageIds;
  try {
    return namedIn(JSON.parse(outcome.body) as Response | null, messageIds) ?? messageIds;
  } catch {
    return messageIds;
  }
}

interface Response {
  readonly batchItemFailures?: readonly { readonly itemIdentifier?: unknown }[] | null;
}

/** Undefined where one of them is no message of this event. */
function namedIn(
  response: Response | null,
  messageIds: readonly string[],
): readonly string[] | undefined {
  const named = (response?.batchItemFailures ?? []).map(({ itemIdentifier }) => itemIdentifier);
  const isOurs = (id: unknown): id is string => typeof id === 'string' && messageIds.includes(id);
  return named.every(isOurs) ? named : undefined;
}
