import { carryDeliveries } from '../core/process/process.js';
import { isMigrateError } from '../core/errors.js';
import { isFault } from '../core/fault.js';
import type { Delivery } from '../core/queue/queue.js';
import { Container } from './container.js';
import type { Context, SqsEvent, SqsResponse } from './event.js';
import { writeMetrics } from './metrics.js';

const container = new Container({ source: true, target: true, queue: true });

/** What is in flight then may end or is given back, in milliseconds: its grace of 10 s, and what giving back takes. */
const END_MS = 20_000;

/** While a server is down, batches come again after so long, in seconds. */
const UNAVAILABLE_DELAY_S = 60;

/** Carries the batches that the messages name; says which of these have to come once more. */
export async function process(event: SqsEvent, context: Context): Promise<SqsResponse> {
  const deliveries = event.Records.map(({ messageId, receiptHandle, body, attributes }) => ({
    messageId,
    receipt: receiptHandle,
    body,
    receives: Number(attributes.ApproximateReceiveCount),
  }));
  // Nothing new is begun that could not be ended: not even connections.
  if (context.getRemainingTimeInMillis() <= END_MS) return comeAgain(deliveries);
  let kept: readonly Delivery[] = deliveries;
  try {
    await container.invoke(context, END_MS, async ({ run, on, log, elapsed }) => {
      const { concurrency } = on.settings;
      const options = { concurrency, ...WITHOUT_LIMITS, watch: false, expected: 0 };
      const carried = await carryDeliveries(run, on, options, deliveries);
      const { completed, failed, error } = carried;
      kept = carried.kept;
      const ms = elapsed();
      writeMetrics(log, context.functionName, {
        MessagesCompleted: { value: completed, unit: 'Count' },
        MessagesFailed: { value: failed, unit: 'Count' },
        MessagesPerSecond: { value: (1000 * completed) / ms, unit: 'Count/Second' },
        BatchesReturned: { value: kept.length, unit: 'Count' },
        Duration: { value: ms, unit: 'Milliseconds' },
      });
      if (error) throw error;
    });
    return comeAgain(kept);
  } catch (error) {
    // It has been told. What is broken may be the message's fault, and is counted; a server that is down is not.
    if (!isMigrateError(error) && !isFault(error)) return comeAgain(kept);
    return comeAgain(await container.sendAnew(kept, UNAVAILABLE_DELAY_S).catch(() => kept));
  }
}

const WITHOUT_LIMITS = { maxBatches: undefined, maxRuntimeMs: undefined };

function comeAgain(deliveries: readonly { readonly messageId: string }[]): SqsResponse {
  return {
    batchItemFailures: deliveries.map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
}
