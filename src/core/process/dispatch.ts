import type { Outbox } from '../queue/outbox.js';
import type { Run } from '../run.js';

/** How often batches without a message are looked for while a run waits for work, in milliseconds. */
const SEND_EVERY_MS = 60_000;
/** The same for messages that are lost. */
const RESEND_EVERY_MS = 10 * 60_000;

/** Sends what waits without a message in the queue; by all that wait for work in one process, which may ask at any time. */
export class Dispatch {
  readonly #run: Run;
  readonly #outbox: Outbox;
  #sendAt = 0;
  #resendAt = 0;

  constructor(run: Run, outbox: Outbox) {
    this.#run = run;
    this.#outbox = outbox;
  }

  async ifDue(): Promise<void> {
    const now = performance.now();
    const { stop } = this.#run;
    if (now < this.#sendAt || stop.aborted) return;
    this.#sendAt = now + SEND_EVERY_MS;
    await this.#outbox.flush(stop, 'leave');
    if (now < this.#resendAt) return;
    this.#resendAt = now + RESEND_EVERY_MS;
    await this.#outbox.resendLost(stop);
  }
}
