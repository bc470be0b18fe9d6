import { randomBytes, randomUUID } from 'node:crypto';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import type { ClaimedBatch } from '../../src/core/tracking/claims.js';
import { Database } from '../../src/core/tracking/database.js';
import { IndexNames } from '../../src/core/tracking/indices.js';
import { findOrCreateJob, leaseJob } from '../../src/core/tracking/jobs.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { completeBatch, type WrittenObject } from '../../src/core/tracking/outcomes.js';
import { PageStore } from '../../src/core/tracking/pages.js';
import { migrateSchema } from '../../src/core/tracking/schema.js';
import { openWindow, planWindows } from '../../src/core/tracking/windows.js';
import { FROM, TO, asAdministrator, type World } from './world.js';

const PAGE = 10_000;
const BATCH_SIZE = 500;
const CONNECTIONS = 20;
const LEASE_SECONDS = 86_400;

/** Tracking tables in a database of their own, worked on by the same statements as the commands use. */
export interface Tables {
  readonly database: Database;
  readonly name: string;
  /** Stores pages of random ids, one after the other, as `extract` does. */
  insert(rows: number): Promise<void>;
  claim(): Promise<ClaimedBatch>;
  complete(batch: ClaimedBatch): Promise<void>;
  drop(): Promise<void>;
}

export async function openTables(world: World): Promise<Tables> {
  const { host, port, user, password } = world.servers.mysql;
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await asAdministrator(world.servers, (connection) =>
    connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`),
  );
  const policy = { retryForMs: 20_000, report: () => undefined };
  const database = new Database(
    { host, port, user, password, database: name },
    policy,
    CONNECTIONS,
  );
  await migrateSchema(database);
  const interval = { from: FROM.getTime(), to: TO.getTime() };
  const scope = { index: 'messages', dateField: 'timestamp', filter: undefined };
  const { jobId } = await findOrCreateJob(database, scope, interval, ['messages']);
  const lease = newLease('bench:1', LEASE_SECONDS);
  await leaseJob(database, jobId, lease);
  await planWindows(database, { jobId, lease }, [{ interval, expected: 1 }]);
  await openWindow(database, { jobId, lease }, 1, { pitId: 'pit', expected: 1, slices: 1 });
  const store = new PageStore(database, { batchSize: BATCH_SIZE, lease, jobStart: interval.from });
  const indexId = (await new IndexNames(database).numbersOf(['messages']))('messages');
  let pages = 0;
  return {
    database,
    name,
    insert: async (rows) => {
      for (let left = rows; left > 0; left -= PAGE) {
        const ids = Array.from({ length: Math.min(PAGE, left) }, () => Buffer.from(randomUUID()));
        const messages = ids.map((id) => ({ id, indexId }));
        const page = {
          jobId,
          windowId: 1,
          slice: 0,
          number: pages,
          messages,
          searchAfter: `[${pages}]`,
          last: false,
        };
        pages += 1;
        await store.store(page);
      }
    },
    claim: async () => {
      const batch = await claimBatch(database, 'bench:1', LEASE_SECONDS);
      if (!batch) throw new Error('there is no batch left to claim');
      return batch;
    },
    complete: async (batch) => {
      const url = `s3://bucket/prefix/batches/job-0000000001/batch-${batch.batchId}-1.ndjson.gz`;
      const outcomes = batch.messages.map(
        (message) => ({ kind: 'completed', message, url }) as const,
      );
      const object: WrittenObject = {
        bytes: 100_000,
        sha256: randomBytes(32),
        etag: randomBytes(16).toString('hex'),
      };
      if (!(await completeBatch(database, batch, outcomes, { ...object, index: object })))
        throw new Error('the lease was lost');
    },
    drop: async () => {
      await database.close();
      await asAdministrator(world.servers, (connection) =>
        connection.query(`DROP DATABASE ${name}`),
      );
    },
  };
}
