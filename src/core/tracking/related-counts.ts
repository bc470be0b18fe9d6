import type { RelatedSums } from '../status/types.js';
import type { Database, Statements } from './database.js';
import type { CompletedMessage } from './outcomes.js';
import { inScope, type JobSet } from './scope.js';

/** Adds the records of messages that were completed just now to what is known of their batch. */
export async function addRelatedCounts(
  on: Statements,
  { jobId, batchId }: { readonly jobId: number; readonly batchId: number },
  names: readonly string[],
  completed: readonly CompletedMessage[],
): Promise<void> {
  const counted = completed.flatMap(({ counts }) => (counts ? [counts] : []));
  if (names.length === 0 || counted.length === 0) return;
  const rows = names.map((name, i) => {
    let [records, withoutRecords, withoutValue] = [0, 0, 0];
    for (const counts of counted) {
      const count = counts[i] ?? 0;
      if (count === 'no value') withoutValue += 1;
      else records += count;
      if (count === 'no value' || count === 0) withoutRecords += 1;
    }
    return [jobId, batchId, name, counted.length, records, withoutRecords, withoutValue];
  });
  await on.change(
    `INSERT INTO related_counts (job_id, batch_id, name, messages, records, without_records, without_value) VALUES ?
     ON DUPLICATE KEY UPDATE messages = messages + VALUES(messages), records = records + VALUES(records),
       without_records = without_records + VALUES(without_records), without_value = without_value + VALUES(without_value)`,
    [rows],
  );
}

/** To be called wherever completed messages leave a batch: what is known of it counts them, too. */
export async function forgetRelatedCounts(on: Statements, batchId: number): Promise<void> {
  await on.change(
    `DELETE FROM related_counts WHERE batch_id = ?
       AND job_id = (SELECT b.job_id FROM batch_progress b WHERE b.batch_id = ?)`,
    [batchId, batchId],
  );
}

/** What is known of the records of a batch's completed messages, in one related index. */
export interface RelatedCount {
  /** Messages whose records were counted. */
  readonly messages: number;
  readonly records: number;
}

/** By batch, then by the name of the array. */
export async function countsOfBatches(
  database: Statements,
  batches: readonly { readonly jobId: number; readonly batchId: number }[],
): Promise<Map<number, Map<string, RelatedCount>>> {
  const counts = new Map<number, Map<string, RelatedCount>>();
  if (batches.length === 0) return counts;
  const rows = await database.rows<{
    batch_id: number;
    name: string;
    messages: number;
    records: number;
  }>(
    `SELECT batch_id, name, messages, records FROM related_counts WHERE (job_id, batch_id) IN (?)`,
    [batches.map(({ jobId, batchId }) => [jobId, batchId])],
  );
  for (const { batch_id, name, messages, records } of rows) {
    const own = counts.get(batch_id) ?? new Map<string, RelatedCount>();
    counts.set(batch_id, own.set(name, { messages, records }));
  }
  return counts;
}

/**
 * Records of each related index in the documents of these jobs, in the order of `names`, then those of other configurations.
 *
 * @param completed messages of these jobs that are completed, by the batches' counters
 */
export async function sumRelated(
  database: Database,
  jobs: JobSet,
  names: readonly string[],
  completed: number,
): Promise<RelatedSums> {
  const scope = inScope(jobs, 'job_id');
  const rows = await database.rows<{
    name: string;
    messages: number;
    records: number;
    without_records: number;
    without_value: number;
  }>(
    `SELECT name, CAST(SUM(messages) AS UNSIGNED) AS messages, CAST(SUM(records) AS UNSIGNED) AS records,
            CAST(SUM(without_records) AS UNSIGNED) AS without_records, CAST(SUM(without_value) AS UNSIGNED) AS without_value
     FROM related_counts WHERE ${scope.sql} GROUP BY name ORDER BY name`,
    scope.parameters,
  );
  const byName = new Map(rows.map((row) => [row.name, row]));
  const all = [...new Set([...names, ...byName.keys()])];
  return Object.fromEntries(
    all.map((name) => {
      const row = byName.get(name);
      const messages = row?.messages ?? 0;
      return [
        name,
        {
          messages,
          records: row?.records ?? 0,
          withoutRecords: row?.without_records ?? 0,
          withoutValue: row?.without_value ?? 0,
          unknown: Math.max(0, completed - messages),
        },
      ];
    }),
  );
}
