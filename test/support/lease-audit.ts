import type { RowDataPacket } from 'mysql2/promise';
import { change, query } from '../end-to-end/landed.js';
import type { Project } from './project.js';

/** Batches and jobs that came into other hands while they were claimed. */
export interface HandOvers {
  /** Their lease had run out. */
  readonly takeovers: number;
  /** Their lease was live: must never happen. */
  readonly stolen: number;
}

/** Lets the database itself write down, by triggers, whenever a claim is followed by another. The schema must be there. */
export async function auditLeases(project: Project): Promise<void> {
  await change(
    project,
    'CREATE TABLE lease_audit (what VARCHAR(32), id BIGINT, live BOOLEAN, at DATETIME(6))',
  );
  for (const [table, id] of [
    ['batch_progress', 'batch_id'],
    ['job_runs', 'job_id'],
  ] as const) {
    await change(
      project,
      `CREATE TRIGGER ${table}_audit BEFORE UPDATE ON ${table} FOR EACH ROW
         INSERT INTO lease_audit
         SELECT '${table}', OLD.${id}, OLD.lease_expires_at >= NOW(6), NOW(6) FROM DUAL
         WHERE OLD.lease_expires_at IS NOT NULL AND NEW.lease_token <> OLD.lease_token`,
    );
  }
}

export async function handOvers(project: Project): Promise<HandOvers> {
  const [row] = await query<RowDataPacket & HandOvers>(
    project,
    `SELECT CAST(COALESCE(SUM(NOT live), 0) AS UNSIGNED) AS takeovers,
            CAST(COALESCE(SUM(live), 0) AS UNSIGNED) AS stolen FROM lease_audit`,
  );
  return { takeovers: row?.takeovers ?? 0, stolen: row?.stolen ?? 0 };
}

/** Lets all leases run out at once, by the database's clock. */
export async function runOutLeases(project: Project): Promise<void> {
  for (const table of ['batch_progress', 'job_runs', 'verify_runs']) {
    await change(
      project,
      `UPDATE ${table} SET lease_expires_at = NOW(6) - INTERVAL 1 SECOND WHERE lease_expires_at IS NOT NULL`,
    );
  }
}
