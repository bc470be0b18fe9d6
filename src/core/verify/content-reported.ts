import type { Database } from '../tracking/database.js';
import { findingsOf, messageName } from '../tracking/verify-findings.js';

/** What the stages before have found in a batch. */
export interface Reported {
  /** The batch's object is missing or damaged, and with it all its messages. */
  readonly whole: boolean;
  /** Its rows or counters contradict each other. */
  readonly inconsistent: boolean;
  /** Single messages, by `messageName`. */
  readonly messages: ReadonlySet<string>;
}

export async function reportedIn(
  database: Database,
  verifyId: number,
  batchId: number,
): Promise<Reported> {
  const messages = new Set<string>();
  let [whole, inconsistent] = [false, false];
  for (const { kind, message } of await findingsOf(database, verifyId, [batchId])) {
    if (message) messages.add(messageName(message));
    else if (kind === 'inconsistent') inconsistent = true;
    else if (kind === 'missing' || kind === 'mismatched' || kind === 'unreadable') whole = true;
  }
  return { whole, inconsistent, messages };
}
