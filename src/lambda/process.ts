import { Breakage } from '../core/process/breakage.js';
import { carryDeliveries } from '../core/process/process.js';
import type { Delivery } from '../core/queue/queue.js';
import { Container, Told } from './container.js';
import type { Context, SqsEvent, SqsResponse } from './event.js';

const container = new Container({ source: true, target: true }, 'receive');

/** What is in flight then may end or is given back, in milliseconds: its grace of 10 s, and what giving back takes. */
const END_MS = 20_000;

/** While a server is down, or there is no time, batches come again after so long, in seconds. */
const UNAVAILABLE_DELAY_S = 60;

/** Over all invocations of a container: an event may have fewer batches than it takes to tell. */
const breakage = new Breakage();

/**
 * Carries the batches that the messages name; says which of these have to come once more.
 *
 * @throws Told what somebody has to see to (a configuration, a permission, a bug), for the function's alarm; messages that have
 *   to come once more do so then, too: all others are deleted already
 */
export async function process(event: SqsEvent, context: Context): Promise<SqsResponse> {
  const deliveries = event.Records.map(({ messageId, receiptHandle, body, attributes }) => ({
    messageId,
    receipt: receiptHandle,
    body,
    receives: Number(attributes.ApproximateReceiveCount),
  }));
  // Nothing new is begun that could not be ended: not even connections.
  if (!container.hasTime(context, END_MS))
    return comeAgain(await container.sendAnew(context, deliveries, UNAVAILABLE_DELAY_S));
  let kept: readonly Delivery[] = [];
  let waiting: readonly Delivery[] = deliveries;
  let delaySeconds = 0;
  let trouble: unknown;
  try {
    await container.invoke(context, END_MS, async ({ run, on, log }) => {
      const { concurrency } = on.settings;
      const options = { concurrency, ...WITHOUT_LIMITS, watch: false, expected: 0 };
      const carried = await carryDeliveries(run, on, options, deliveries, breakage);
      ({ kept, waiting } = carried);
      const { completed, failed, done, error } = carried;
      const batches = done.map(({ jobId, batchId }) => ({ jobId, batchId }));
      log.write({ level: 'info', message: 'process', completed, failed, batches });
      if (error) throw error;
    });
  } catch (error) {
    // It has been told. Messages that were not looked at are not to blame for it.
    delaySeconds = UNAVAILABLE_DELAY_S;
    if (!Told.willPass(error)) trouble = error;
  }
  const left = await container.sendAnew(context, waiting, delaySeconds);
  if (trouble !== undefined) throw trouble as Error;
  return comeAgain([...kept, ...left]);
}

const WITHOUT_LIMITS = { maxBatches: undefined, maxRuntimeMs: undefined };

function comeAgain(deliveries: readonly { readonly messageId: string }[]): SqsResponse {
  return {
    batchItemFailures: deliveries.map(({ messageId }) => ({ itemIdentifier: messageId })),
  };
}
