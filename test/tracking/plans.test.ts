import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { claimBatch } from '../../src/core/tracking/claim-next.js';
import { heldBatches, releaseBatch } from '../../src/core/tracking/claims.js';
import {
  acceptFailed,
  countAcceptable,
  requireFailed,
} from '../../src/core/tracking/acceptances.js';
import {
  countBatches,
  countStuck,
  countJobs,
  recentRate,
} from '../../src/core/tracking/counters.js';
import { Database, type Parameter, type Statements } from '../../src/core/tracking/database.js';
import { listFailed } from '../../src/core/tracking/failures.js';
import { newLease } from '../../src/core/tracking/lease.js';
import { findMessages } from '../../src/core/tracking/lookup.js';
import { completeBatch } from '../../src/core/tracking/outcomes.js';
import { PageStore } from '../../src/core/tracking/pages.js';
import { countFailed, requeueFailed } from '../../src/core/tracking/requeue.js';
import { onlyJobs } from '../../src/core/tracking/scope.js';
import { resetBatch } from '../../src/core/tracking/stuck.js';
import {
  beginExtraction,
  claimed,
  expireLease,
  freshTracking,
  ids,
  outcomesOf,
  trackingSettings,
  type Extraction,
  type Tracking,
} from '../support/tracking.js';

interface Plan {
  readonly table: string | null;
  readonly type: string | null;
  readonly key: string | null;
  /** MariaDB says it as text. */
  readonly rows: string | number | null;
}

/** Asks the server, before each statement it runs, how it is going to; keeps what reads messages. */
class ExplainingDatabase extends Database {
  readonly seen: { readonly sql: string; readonly plan: Plan }[] = [];

  override async rows<T>(sql: string, parameters?: readonly Parameter[]): Promise<T[]> {
    await this.#explain({ rows: super.rows.bind(this) }, sql, parameters);
    return super.rows<T>(sql, parameters);
  }

  override async change(sql: string, parameters?: readonly Parameter[]) {
    await this.#explain({ rows: super.rows.bind(this) }, sql, parameters);
    return super.change(sql, parameters);
  }

  override transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
    return super.transaction((on) =>
      work({
        packetBytes: on.packetBytes,
        rows: async (sql, parameters) => {
          await this.#explain(on, sql, parameters);
          return on.rows(sql, parameters);
        },
        change: async (sql, parameters) => {
          await this.#explain(on, sql, parameters);
          return on.change(sql, parameters);
        },
      }),
    );
  }

  async #explain(
    on: Pick<Statements, 'rows'>,
    sql: string,
    parameters?: readonly Parameter[],
  ): Promise<void> {
    if (!/^\s*(SELECT|UPDATE|DELETE)/.test(sql) || !sql.includes('message_tracking')) return;
    const plans = await on.rows<Plan>(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, parameters);
    for (const plan of plans)
      if (['t', 'm', 'message_tracking'].includes(plan.table ?? '')) this.seen.push({ sql, plan });
  }
}

/** Of 100,000 messages a statement may look at this many: those of a few batches. */
const FEW = 12_000;

let tracking: Tracking;
let explaining: ExplainingDatabase;
let extraction: Extraction;

beforeAll(async () => {
  tracking = await freshTracking();
  const { database, at } = tracking;
  explaining = new ExplainingDatabase(
    trackingSettings(at),
    { retryForMs: 20_000, report: () => undefined },
    4,
  );
  extraction = await beginExtraction(database, { batchSize: 500 });
  for (let page = 0; page < 10; page += 1) await extraction.store(ids(10_000, `message ${page}/`));
  await database.rows('ANALYZE TABLE message_tracking, batch_progress');
});
afterAll(async () => {
  await explaining.close();
  await tracking.drop();
});

describe('no statement reads more messages than those it is about', () => {
  const statements: Record<string, () => Promise<unknown>> = {
    claim: () => claimBatch(explaining, 'worker:1', 300),
    'claim within certain jobs': () =>
      claimBatch(explaining, 'worker:1', 300, onlyJobs([extraction.jobId, extraction.jobId + 1])),
    'take over': async () => {
      const { lease } = await claimed(tracking.database);
      await tracking.database.change("UPDATE batch_progress SET status = 'completed' WHERE status = 'pending'");
      await expireLease(tracking.database, 'batch_progress', lease.token);
      await claimBatch(explaining, 'worker:2', 300);
      await tracking.database.change("UPDATE batch_progress SET status = 'pending' WHERE status = 'completed'");
    },
    release: async () => releaseBatch(explaining, await claimed(tracking.database)),
    'complete, one object for the batch': async () => {
      const batch = await claimed(tracking.database);
      await completeBatch(explaining, batch, outcomesOf(batch));
    },
    'complete, an object a message': async () => {
      const batch = await claimed(tracking.database);
      const outcomes = outcomesOf(batch).map((outcome) => ({
        ...outcome,
        object: { bytes: 1, sha256: Buffer.alloc(32), etag: 'e', revision: 1 },
      }));
      await completeBatch(explaining, batch, outcomes);
    },
    fail: async () => {
      for (let failing = 0; failing < 5; failing += 1) {
        const batch = await claimed(tracking.database);
        const outcomes = outcomesOf(batch, (id) => (id.endsWith('7') ? 'upload_failed' : 'missing'));
        await completeBatch(explaining, batch, outcomes);
      }
    },
    'count failures': () => countFailed(explaining, { force: false, maxAttempts: 5 }),
    'count what may be accepted': () => countAcceptable(explaining, { errorCode: 'missing' }),
    'look up one that failed': () =>
      requireFailed(explaining, { messageId: 'message 3/4711' }).catch(() => undefined),
    'requeue one': () =>
      requeueFailed(explaining, { messageId: 'message 0/7', force: false, maxAttempts: 5 }, 500),
    accept: () =>
      acceptFailed(explaining, { errorCode: 'missing' }, { reason: 'gone', by: 'me@here' }, 500),
    'accept one': () =>
      acceptFailed(explaining, { messageId: 'message 0/7' }, { reason: 'gone', by: 'me@here' }, 500),
    'list failures': () => listFailed(explaining, { jobId: undefined, limit: 100 }),
    requeue: () => requeueFailed(explaining, { force: false, maxAttempts: 5 }, 500),
    reset: async () => {
      const batch = await claimed(tracking.database);
      await expireLease(tracking.database, 'batch_progress', batch.lease.token);
      await resetBatch(explaining, batch.batchId, 0);
    },
    'look one up': () => findMessages(explaining, 'message 3/4711'),
    'store a page of known ids': async () => {
      const { jobId, lease } = extraction;
      const store = new PageStore(explaining, { batchSize: 500, lease, jobStart: 0 });
      const page = ids(10_000, 'message 4/').map((id) => ({ id: Buffer.from(id), indexId: 1 }));
      const common = { jobId, windowId: 1, slice: 0, searchAfter: '[1]', last: false };
      await store.store({ ...common, number: 10, messages: page });
    },
  }; // prettier-ignore

  test.each(Object.keys(statements))('%s', async (name) => {
    explaining.seen.length = 0;
    await statements[name]?.();
    expect(explaining.seen).not.toEqual([]);
    for (const { sql, plan } of explaining.seen) {
      expect(plan, sql).toMatchObject({
        type: expect.not.stringMatching(/^(ALL|index)$/) as string,
      });
      expect(Number(plan.rows), `${sql} ${JSON.stringify(plan)}`).toBeLessThan(FEW);
    }
  });

  test('status reads none at all', async () => {
    explaining.seen.length = 0;
    await countBatches(explaining);
    await countJobs(explaining);
    await countStuck(explaining);
    await recentRate(explaining);
    await heldBatches(explaining);
    expect(explaining.seen).toEqual([]);
  });
});

test('the lease of nobody is found by key', async () => {
  const [plan] = await tracking.database.rows<Plan>(
    'EXPLAIN FORMAT=TRADITIONAL SELECT lease_token FROM batch_progress WHERE lease_token IN (?)',
    [[newLease('worker:1', 1).token]],
  );
  expect(plan?.key).toBe('lease');
});

test('a claim within one job reads none of the many batches of others, which come before its own', async () => {
  const { database } = tracking;
  for (let jobId = 100; jobId < 103; jobId += 1) {
    const rows = Array.from({ length: 5000 }, () => [jobId, 1]);
    await database.change('INSERT INTO batch_progress (job_id, total_messages) VALUES ?', [rows]);
  }
  await database.change('INSERT INTO batch_progress (job_id, total_messages) VALUES (103, 1)');
  await database.rows('ANALYZE TABLE batch_progress');
  const plans: { sql: string; plan: Plan }[] = [];
  class Explaining extends Database {
    override transaction<T>(work: (on: Statements) => Promise<T>): Promise<T> {
      return super.transaction((on) =>
        work({
          ...{ change: on.change.bind(on), packetBytes: on.packetBytes },
          rows: async (sql, parameters) => {
            for (const plan of await on.rows<Plan>(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, parameters))
              if (plan.table === 'batch_progress' || plan.table === 'b') plans.push({ sql, plan });
            return on.rows(sql, parameters);
          },
        }),
      );
    }
  }
  const policy = { retryForMs: 20_000, report: () => undefined };
  const one = new Explaining(trackingSettings(tracking.at), policy, 1);
  try {
    for (const scope of [[103], [103, 104]]) {
      plans.length = 0;
      // It belongs to no job, which is noticed once it is found.
      await claimBatch(one, 'worker:1', 300, onlyJobs(scope)).catch(() => undefined);
      const finding = plans.filter(({ sql }) => sql.includes("status = 'pending'"));
      expect(finding.length).toBeGreaterThan(0);
      for (const { sql, plan } of finding) {
        // What a key leads to is estimated by an average; the first row of it is all that is read.
        expect(plan, sql).toMatchObject({ type: 'ref', key: 'job_status' });
      }
    }
  } finally {
    await one.close();
  }
});
