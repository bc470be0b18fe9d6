import { claimBatch } from '../../src/core/tracking/claim-next.js';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import { Database } from '../../src/core/tracking/database.js';
import { IndexNames } from '../../src/core/tracking/indices.js';
import { findOrCreateJob, leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease, type Lease } from '../../src/core/tracking/lease.js';
import { completeBatch, type MessageOutcome } from '../../src/core/tracking/outcomes.js';
import { PageStore, type StoredPage } from '../../src/core/tracking/pages.js';
import { migrateSchema } from '../../src/core/tracking/schema.js';
import { openWindow, planWindows } from '../../src/core/tracking/windows.js';
import type { TrackingSettings } from '../../src/core/settings.js';
import { freshDatabase, type FreshDatabase } from './sandbox.js';

/** A migrated tracking database of this test file's own, and connections to it. */
export interface Tracking {
  readonly database: Database;
  readonly at: FreshDatabase;
  drop(): Promise<void>;
}

export function trackingSettings(
  at: FreshDatabase,
  changes: Partial<TrackingSettings> = {},
): TrackingSettings {
  const { host, port, user, password, database } = at;
  return { host, port, user, password, database, ...changes };
}

/** Connections without patience: a test that runs into an unreachable server fails soon. */
export function openDatabase(settings: TrackingSettings, connections = 10): Database {
  return new Database(settings, { retryForMs: 20_000, report: () => undefined }, connections);
}

export async function freshTracking(): Promise<Tracking> {
  const at = await freshDatabase();
  const database = openDatabase(trackingSettings(at));
  await migrateSchema(database);
  return {
    at,
    database,
    drop: async () => {
      await database.close();
      await at.drop();
    },
  };
}

/** Empties all tables of jobs and messages, for the next test in the file. */
export async function clear(database: Database): Promise<void> {
  const tables = [
    'job_runs',
    'extract_windows',
    'extract_cursors',
    'job_overlaps',
    'batch_progress',
    'message_tracking',
    'message_errors',
    'acceptances',
    'accepted_failures',
    'related_counts',
  ];
  for (const table of tables) await database.change(`DELETE FROM ${table}`);
}

export interface Extraction {
  readonly jobId: number;
  readonly lease: Lease;
  /** Stores the next page of slice 0; `number` repeats an earlier one. */
  readonly store: (ids: readonly (string | Buffer)[], number?: number) => Promise<StoredPage>;
}

/** A job under a lease, with one window open for reading. `day` of October 2024 tells jobs apart. */
export async function beginExtraction(
  database: Database,
  { day = 1, index = 'messages', batchSize = 10 } = {},
): Promise<Extraction> {
  const interval = { from: Date.UTC(2024, 9, day), to: Date.UTC(2024, 9, day + 1) };
  const scope = { index, dateField: 'timestamp', filter: undefined };
  const { jobId } = await findOrCreateJob(database, scope, interval, [index]);
  const lease = newLease('extractor:1', 300);
  if (!(await leaseJob(database, jobId, lease))) throw new Error(`job ${jobId} is held`);
  await planWindows(database, { jobId, lease }, [{ interval, expected: 1 }]);
  await openWindow(database, { jobId, lease }, 1, { pitId: 'pit', expected: 1, slices: 1 });
  const store = new PageStore(database, { batchSize, lease, jobStart: interval.from });
  const indexId = (await new IndexNames(database).numbersOf([index]))(index);
  let pages = 0;
  return {
    jobId,
    lease,
    store: (ids, number = pages++) =>
      store.store({
        jobId,
        windowId: 1,
        slice: 0,
        number,
        messages: ids.map((id) => ({ id: Buffer.from(id), indexId })),
        searchAfter: `[${number}]`,
        last: false,
      }),
  };
}

/** Ids `a0`, `a1`, … */
export function ids(count: number, prefix = 'a'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

export async function claimed(database: Database, owner = 'worker:1'): Promise<ClaimedBatch> {
  const batch = await claimBatch(database, owner, 300);
  if (!batch) throw new Error('nothing to claim');
  return batch;
}

/** An outcome for each message of a batch: failed with the code `failing` gives, else completed in one object. */
export function outcomesOf(
  batch: ClaimedBatch,
  failing: (id: string) => string | undefined = () => undefined,
): MessageOutcome[] {
  return batch.messages.map((message) => {
    const code = failing(message.id.toString());
    return code === undefined
      ? { kind: 'completed', message, url: `s3://bucket/batch-${batch.batchId}` }
      : { kind: 'failed', message, stage: 'upload', code, detail: 'said the server' };
  });
}

/** Claims and completes everything that is pending. */
export async function processAll(
  database: Database,
  failing?: (id: string) => string | undefined,
): Promise<void> {
  for (;;) {
    const batch = await claimBatch(database, 'worker:1', 300);
    if (!batch) return;
    await completeBatch(database, batch, outcomesOf(batch, failing));
  }
}

export interface BatchRow {
  readonly batch_id: number;
  readonly job_id: number;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed';
  readonly total_messages: number;
  readonly processed: number;
  readonly failed: number;
  readonly claims: number;
  readonly lease_token: string | null;
  readonly lease_owner: string | null;
  readonly object_bytes: number | null;
  readonly object_sha256: Buffer | null;
  readonly object_etag: string | null;
  readonly index_bytes: number | null;
  readonly index_sha256: Buffer | null;
  readonly index_etag: string | null;
}

export function batchRows(database: Database): Promise<BatchRow[]> {
  return database.rows<BatchRow>(
    `SELECT batch_id, job_id, status, total_messages, processed, failed, claims, lease_token, lease_owner,
            object_bytes, object_sha256, object_etag, index_bytes, index_sha256, index_etag
     FROM batch_progress ORDER BY batch_id`,
  );
}

export interface MessageRow {
  readonly id: Buffer;
  readonly batch_id: number;
  readonly status: 'pending' | 'in_progress' | 'completed' | 'failed';
  readonly attempts: number;
  readonly s3_path: string | null;
  readonly error_code: string | null;
  readonly object_bytes: number | null;
  readonly object_sha256: Buffer | null;
  readonly object_etag: string | null;
  readonly source_revision: number | null;
}

export function messageRows(database: Database): Promise<MessageRow[]> {
  return database.rows<MessageRow>(
    `SELECT message_id AS id, batch_id, status, attempts, s3_path, error_code, object_bytes, object_sha256,
            object_etag, source_revision
     FROM message_tracking ORDER BY batch_id, message_id, index_id`,
  );
}

/**
 * What of the counters does not fit the rows; empty where all is well. It counts the rows itself: each batch's
 * total, processed and failed, and the batch's status.
 */
export async function contradictions(database: Database): Promise<string[]> {
  const batches = new Map((await batchRows(database)).map((batch) => [batch.batch_id, batch]));
  const counts = new Map<number, Record<MessageRow['status'], number>>();
  for (const { batch_id, status } of await messageRows(database)) {
    const count = counts.get(batch_id) ?? { pending: 0, in_progress: 0, completed: 0, failed: 0 };
    count[status] += 1;
    counts.set(batch_id, count);
  }
  const wrong: string[] = [];
  for (const batchId of counts.keys())
    if (!batches.has(batchId)) wrong.push(`messages of a batch ${batchId} that is not there`);
  for (const [batchId, batch] of batches) {
    const count = counts.get(batchId);
    if (!count) {
      wrong.push(`batch ${batchId} is empty`);
      continue;
    }
    const rows = count.pending + count.in_progress + count.completed + count.failed;
    const ended = count.pending + count.in_progress === 0;
    const fits =
      batch.total_messages === rows &&
      batch.processed === count.completed &&
      batch.failed === count.failed &&
      (batch.status === 'pending') === count.pending > 0 &&
      (batch.status === 'in_progress') === count.in_progress > 0 &&
      (batch.status === 'failed') === (ended && count.failed > 0) &&
      (batch.status === 'completed') === (ended && count.failed === 0);
    if (!fits) wrong.push(`batch ${JSON.stringify(batch)} has ${JSON.stringify(count)}`);
  }
  return wrong;
}

/** Lets the lease of a claimed batch or a held job run out, by the database's clock. */
export async function expireLease(
  database: Database,
  table: 'batch_progress' | 'job_runs',
  token: string,
  secondsAgo = 1,
): Promise<void> {
  await database.change(
    `UPDATE ${table} SET lease_expires_at = NOW(6) - INTERVAL ? SECOND WHERE lease_token = ?`,
    [secondsAgo, token],
  );
}
