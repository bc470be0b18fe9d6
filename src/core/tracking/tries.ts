import type { ClaimedBatch } from './claims.js';
import type { Database, Statements } from './database.js';
import type { Condition } from './failed-batches.js';

/** Claims after which a batch is no longer excused by what happens to others. */
export const MOST_EXCUSED = 20;

/**
 * What broke off last with these batches was not theirs, as it turned out: it is no try of those that wait. Not for ever: those
 * that are always among the broken ones are to blame in the end.
 */
export async function excuseBatches(on: Statements, batchIds: readonly number[]): Promise<void> {
  await on.change(
    `UPDATE batch_progress SET suspect = FALSE WHERE batch_id IN (?) AND status = 'pending' AND claims < ?`,
    [batchIds, MOST_EXCUSED],
  );
}

/**
 * That these claims broke off was not the fault of their batches, as it turned out: none of them is a try, be its batch claimed again
 * meanwhile or not.
 *
 * @param claims the claim of each batch
 * @param mostClaims a batch that was claimed as often or more is to blame all the same
 */
export async function excuseClaims(
  database: Database,
  claims: ReadonlyMap<number, number>,
  mostClaims = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  for (const [batchId, claim] of claims) {
    if (claim >= mostClaims) continue;
    const { affectedRows } = await database.change(
      `UPDATE batch_progress SET suspect = FALSE WHERE batch_id = ? AND claims = ? AND status = 'pending'`,
      [batchId, claim],
    );
    if (affectedRows > 0) continue;
    await changeTries(database, -1, {
      sql: `batch_id = ? AND claims = ? + 1 AND status IN ('pending', 'in_progress') AND tries > 0`,
      parameters: [batchId, claim],
    });
  }
}

/** The claim that followed this one took it for a try, since its end had not been recorded: it was none. */
export async function excuseClaim(
  database: Database,
  { batchId, claim }: Pick<ClaimedBatch, 'batchId' | 'claim'>,
): Promise<void> {
  await changeTries(database, -1, {
    sql: `batch_id = ? AND claims = ? + 1 AND status = 'in_progress' AND tries > 0`,
    parameters: [batchId, claim],
  });
}

/** Counts a try that did not come as far as a claim. */
export async function spendTry(database: Database, batchId: number): Promise<void> {
  await changeTries(database, 1, {
    sql: `batch_id = ? AND status IN ('pending', 'in_progress')`,
    parameters: [batchId],
  });
}

/** Changes the tries of the batch of that condition, once: also where it is run again since its COMMIT went through unheard. */
async function changeTries(
  database: Database,
  by: 1 | -1,
  { sql, parameters }: Condition,
): Promise<void> {
  let before: number | undefined;
  await database.transaction(async (on) => {
    const [row] = await on.rows<{ batch_id: number; tries: number }>(
      `SELECT batch_id, tries FROM batch_progress WHERE ${sql} FOR UPDATE`,
      parameters,
    );
    if (!row) return;
    before ??= row.tries;
    if (row.tries !== before) return;
    await on.change('UPDATE batch_progress SET tries = ? WHERE batch_id = ?', [
      before + by,
      row.batch_id,
    ]);
  });
}
