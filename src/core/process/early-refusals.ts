import { usage } from '../errors.js';
import type { Fault } from '../fault.js';

/** So many objects in a row, the first ones of a process, are refused for the same reason before it is the target's. */
const MOST_REFUSALS = 20;
/** Refusals that are about an object's own size or name, however many there are. */
const OWN_FAULT = /TooLarge|TooLong|TooSmall|MaxMessageLengthExceeded|ObjectName/;

/**
 * Tells a target that refuses every object, such as for a header it doesn't know, from one that refuses some: else every
 * message would be failed, one request each.
 */
export class EarlyRefusals {
  #code: string | undefined;
  #count = 0;
  #hasAccepted = false;

  accepted(): void {
    this.#hasAccepted = true;
  }

  /** @throws MigrateError `usage` once the first objects were all refused with one code */
  refused({ server, code, message }: Fault): void {
    if (this.#hasAccepted || server !== 'S3') return;
    if (OWN_FAULT.test(code)) return;
    this.#count = code === this.#code ? this.#count + 1 : 1;
    this.#code = code;
    if (this.#count < MOST_REFUSALS) return;
    throw usage(
      `S3 has refused each of the first ${MOST_REFUSALS} objects (${code}): ${message}`,
      'Find out what the store at target.endpoint does not take; then start again. Failed messages are migrated by retry.',
    );
  }
}
