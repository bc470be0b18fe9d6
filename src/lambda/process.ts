import { carryDeliveries } from '../core/process/process.js';
import type { Delivery } from '../core/queue/queue.js';
import { Container } from './container.js';
import type { Context, SqsEvent, SqsResponse } from './event.js';

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
  if (context.getRemainingTimeInMillis() <= END_MS)
    return comeAgain(await container.sendAnew(context, deliveries, 0));
  let kept: readonly Delivery[] = [];
  let waiting: readonly Delivery[] = deliveries;
  let delaySeconds = 0;
  try {
    await container.invoke(context, END_MS, async ({ run, on, log }) => {
      const { concurrency } = on.settings;
      const options = { concurrency, ...WITHOUT_LIMITS, watch: false, expected: 0 };
      const carried = await carryDeliveries(run, on, options, deliveries);
      ({ kept, waiting } = carried);
      const { completed, failed, error } = carried;
      log.write({ level: 'info', message: 'process', completed, failed });
      if (error) throw error;
    });
  } catch {
    // It has been told. Messages that were not looked at are not to blame for it.
    delaySeconds = UNAVAILABLE_DELAY_S;
  }
  return comeAgain([...kept, ...(await container.sendAnew(context, waiting, delaySeconds))]);
}

const WITHOUT_LIMITS = { maxBatches: undefined, maxRuntimeMs: undefined };

function comeAgain(deliveries: readonly { readonly messageId: string }[]): SqsResponse {
  return {
    batchItemFailures: deliveries.map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
}
