import { groupBy } from '../group-by.js';
import {
  acceptedBatchesAfter,
  acceptedMissing,
  type AcceptedMissing,
} from '../tracking/verify-accepted.js';
import type { VerifyContext } from './context.js';
import type { Unit } from './unit.js';

/** Batches looked through at once: up to some ten thousand messages. */
const BATCHES_A_STEP = 20;
/** Ids Elasticsearch is asked for at once. */
const IDS_AT_ONCE = 1000;

/** Where the first part of stage `windows` stands: behind this batch. */
export interface AcceptedCursor {
  readonly acceptedAfter: number;
}

/**
 * Asks Elasticsearch for the messages that were accepted as missing. Those that are there again have `arrived`; how many are
 * still absent is noted for each job, so that its windows are not said to lack them.
 *
 * @param note name of the notes, before the job's number
 */
export async function verifyAccepted(context: VerifyContext, note: string): Promise<void> {
  const { verification, on, scope, signal } = context;
  const cursor = (verification.cursor as object | undefined) ?? { acceptedAfter: 0 };
  if (!isAcceptedCursor(cursor)) return;
  for (let after = cursor.acceptedAfter; ;) {
    signal.throwIfAborted();
    const batches = await acceptedBatchesAfter(on.database, scope, after, BATCHES_A_STEP);
    const last = batches.at(-1);
    if (last === undefined) return;
    const unit = verification.unit();
    await look(context, unit, await acceptedMissing(on.database, batches), note);
    after = last;
    await verification.done(unit, { acceptedAfter: after });
  }
}

function isAcceptedCursor(cursor: object): cursor is AcceptedCursor {
  return 'acceptedAfter' in cursor;
}

async function look(
  { on, signal }: VerifyContext,
  unit: Unit,
  messages: readonly AcceptedMissing[],
  note: string,
): Promise<void> {
  for (const [index, ofIndex] of groupBy(messages, (message) => message.index)) {
    for (let first = 0; first < ofIndex.length; first += IDS_AT_ONCE) {
      const part = ofIndex.slice(first, first + IDS_AT_ONCE);
      const ids = part.map(({ id }) => id.toString('utf8'));
      const there = await on.source.existing(index, ids, signal);
      for (const message of part) {
        if (there.has(message.id.toString('utf8'))) unit.add(arrived(message));
        else unit.notes.push([`${note} ${message.jobId}`, 1]);
      }
    }
  }
}

function arrived({ id, indexId, index, jobId, batchId, by, at }: AcceptedMissing) {
  const detail = `in ${index} again, though ${by} accepted it as missing at ${at.toISOString()}; "es-migrate retry --error missing" puts it back`;
  return { kind: 'arrived' as const, jobId, batchId, message: { id, indexId }, detail };
}
