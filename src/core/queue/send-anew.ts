import { parseBody, type BatchMessage } from './message.js';
import type { Delivery, Queue } from './queue.js';

/**
 * Sends messages anew that were not looked at, and deletes those that were received: the queue counts receipts, and would
 * take them for poison.
 *
 * @param delaySeconds 0 to 900
 * @returns those that nobody can read, which are left
 */
export async function sendAnew(
  queue: Queue,
  deliveries: readonly Delivery[],
  delaySeconds: number,
  signal: AbortSignal,
): Promise<readonly Delivery[]> {
  const left: Delivery[] = [];
  const sent: Delivery[] = [];
  const messages: BatchMessage[] = [];
  for (const delivery of deliveries) {
    const message = parseBody(delivery.body);
    if ('wrong' in message) {
      left.push(delivery);
      continue;
    }
    messages.push(message);
    sent.push(delivery);
  }
  await queue.send(messages, delaySeconds, signal);
  // What is not deleted comes once more, and does nothing then.
  await Promise.allSettled(sent.map((delivery) => queue.delete(delivery)));
  return left;
}
