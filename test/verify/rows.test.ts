import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { change, query } from '../end-to-end/landed.js';
import { sandboxCredentials } from '../objects/s3.js';
import type { Project } from '../support/project.js';
import { ids } from '../support/tracking.js';
import { differences, migrated, named, verifyNow } from './support.js';

beforeEach(sandboxCredentials);

const TABLES = ['message_tracking', 'batch_progress', 'job_runs', 'extract_windows'];

/** What a hand in the tracking tables may do to one row; batches of 20 messages: a0 to a19 lie in the first. */
const ROW = `WHERE message_id = 'a3'`;
const EDITS: readonly (readonly [edit: string, found: string, only?: 'message' | 'batch'])[] = [
  [`UPDATE message_tracking SET status = 'pending' ${ROW}`, 'inconsistent batch 1'],
  [`UPDATE message_tracking SET status = 'in_progress' ${ROW}`, 'inconsistent batch 1'],
  [`UPDATE message_tracking SET status = 'failed' ${ROW}`, 'inconsistent batch 1'],
  [`UPDATE message_tracking SET s3_path = NULL ${ROW}`, 'inconsistent batch 1'],
  [`UPDATE message_tracking SET s3_path = '' ${ROW}`, 'mismatched a3'],
  [`UPDATE message_tracking SET s3_path = 's3://elsewhere/a3.json' ${ROW}`, 'mismatched a3'],
  [`UPDATE message_tracking SET s3_path = CONCAT(s3_path, '.old') ${ROW}`, 'mismatched a3'],
  [
    `UPDATE message_tracking SET s3_path = REPLACE(s3_path, 'a3', 'a4') ${ROW}`,
    'mismatched a3',
    'message',
  ],
  [`UPDATE message_tracking SET object_sha256 = NULL ${ROW}`, 'inconsistent batch 1', 'message'],
  [`UPDATE message_tracking SET object_bytes = NULL ${ROW}`, 'inconsistent batch 1', 'message'],
  [`UPDATE message_tracking SET object_bytes = 7 ${ROW}`, 'mismatched a3', 'message'],
  [`DELETE FROM message_tracking ${ROW}`, 'inconsistent batch 1', 'batch'],
  [
    `UPDATE message_tracking SET batch_id = 77 WHERE batch_id = 2`,
    'inconsistent batch 2, inconsistent batch 77',
  ],
  [`UPDATE batch_progress SET processed = 19 WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET processed = 21 WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET failed = 1 WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET total_messages = 25 WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET status = 'pending' WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET status = 'in_progress' WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET status = 'failed' WHERE batch_id = 1`, 'inconsistent batch 1'],
  [`UPDATE batch_progress SET job_id = 9 WHERE batch_id = 1`, 'inconsistent batch 1', 'message'],
  [
    `UPDATE batch_progress SET object_sha256 = NULL WHERE batch_id = 1`,
    'inconsistent batch 1',
    'batch',
  ],
  [
    `INSERT INTO batch_progress (batch_id, job_id, total_messages) VALUES (50, 1, 0)`,
    'inconsistent batch 50',
  ],
  [`UPDATE job_runs SET extracted = extracted + 1`, 'inconsistent job 1'],
  [
    `UPDATE extract_windows SET read_messages = 59`,
    'inconsistent 2024-10-01T00:00:00.000Z/2024-10-02T00:00:00.000Z',
  ],
  [
    `UPDATE extract_windows SET expected = 61`,
    'inconsistent 2024-10-01T00:00:00.000Z/2024-10-02T00:00:00.000Z',
  ],
];

describe.each(['message', 'batch'] as const)('rows edited by hand, layout %s', (layout) => {
  let project: Project;

  beforeAll(async () => {
    const restore = sandboxCredentials();
    // In the order of their ids, so that the first batch holds the first.
    ({ project } = await migrated({ ids: ids(60), layout }));
    for (const table of TABLES)
      await change(project, `CREATE TABLE kept_${table} AS SELECT * FROM ${table}`);
    restore();
  });

  beforeEach(async () => {
    for (const table of TABLES) {
      await change(project, `DELETE FROM ${table}`);
      await change(project, `INSERT INTO ${table} SELECT * FROM kept_${table}`);
    }
  });

  afterAll(() => project.database.drop());

  test('as they were, all is well', async () => {
    expect(differences(await verifyNow(project))).toEqual({});
  });

  const edits = EDITS.filter(([, , only]) => only === undefined || only === layout).map(
    ([edit, found]) => ({ edit, found }),
  );
  test.each(edits)('$edit: $found', async ({ edit, found }) => {
    await change(project, edit);
    const verified = await verifyNow(project);
    expect(named(verified).sort().join(', ')).toBe(found);
    expect(verified.ok).toBe(false);
  });

  test.each(edits.filter(({ edit }) => !/extract_windows|batch_id = 77|job_id = 9/.test(edit)))(
    'repaired: $edit',
    async ({ edit }) => {
      await change(project, edit);
      const verified = await verifyNow(project, { repair: true });
      expect(verified.repaired?.left).toBe(0);
      const contradictions = await query(
        project,
        `SELECT * FROM batch_progress b WHERE status = 'in_progress' OR total_messages <> (SELECT COUNT(*) FROM message_tracking t WHERE t.batch_id = b.batch_id)`,
      );
      expect(contradictions).toEqual([]);
    },
  );
});
