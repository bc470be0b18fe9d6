import { isMigrateError, MigrateError } from '../errors.js';
import type { Statements } from './database.js';

const ADVICE =
  'Run "es-migrate verify --level counts" to see what contradicts, and "es-migrate verify --level counts --repair" to put it right.';

/**
 * A batch's counters and its rows say different things: somebody changed the tables, or rows were lost on the way. It stays as it is
 * until it is repaired; other batches have nothing to do with it.
 */
export class BatchAtOdds extends MigrateError {
  readonly batchId: number;

  constructor(batchId: number, what: string) {
    super('usage', `batch ${batchId} is left as it is: ${what}`, { advice: ADVICE });
    this.batchId = batchId;
  }
}

export function isAtOdds(error: unknown): error is BatchAtOdds {
  return isMigrateError(error) && 'batchId' in error;
}

/**
 * The condition that a batch's counters and its rows contradict each other; it reads the rows of the batch.
 *
 * @param alias of batch_progress in the statement
 */
export function contradicts(alias: string): string {
  return `(CAST(${alias}.total_messages AS SIGNED) - CAST(${alias}.processed AS SIGNED) - CAST(${alias}.failed AS SIGNED) <> (
     SELECT COUNT(*) FROM message_tracking t WHERE t.batch_id = ${alias}.batch_id AND t.status IN ('pending', 'in_progress')))`;
}

/**
 * Compares the unfinished messages that were read of a claimed batch with what its counters say. Within the transaction that
 * claims it, which then claims nothing.
 *
 * @throws BatchAtOdds where they differ
 */
export async function requireAllRead(on: Statements, batchId: number, read: number): Promise<void> {
  const [row] = await on.rows<{ open: number }>(
    `SELECT CAST(total_messages AS SIGNED) - CAST(processed AS SIGNED) - CAST(failed AS SIGNED) AS open
     FROM batch_progress WHERE batch_id = ?`,
    [batchId],
  );
  const open = row?.open ?? 0;
  if (open !== read)
    throw new BatchAtOdds(
      batchId,
      `its counters say that ${open} messages are unfinished, it has ${read}`,
    );
}

/**
 * Makes sure that nothing of a batch is unfinished, by its counters and by its rows. Within the transaction that completes it,
 * which then changes nothing.
 *
 * @throws BatchAtOdds where something is
 */
export async function requireNoneLeft(on: Statements, batchId: number): Promise<void> {
  const [row] = await on.rows<{ open: number; rows_open: number }>(
    `SELECT CAST(total_messages AS SIGNED) - CAST(processed AS SIGNED) - CAST(failed AS SIGNED) AS open,
            (SELECT COUNT(*) FROM message_tracking t
             WHERE t.batch_id = ? AND t.status IN ('pending', 'in_progress')) AS rows_open
     FROM batch_progress WHERE batch_id = ?`,
    [batchId, batchId],
  );
  const { open = 0, rows_open: rowsOpen = 0 } = row ?? {};
  if (open !== 0 || rowsOpen !== 0)
    throw new BatchAtOdds(
      batchId,
      `it cannot be completed, since ${open} messages are unfinished by its counters, ${rowsOpen} by its rows`,
    );
}
