import { shortened } from '../one-line.js';
import { scrub } from '../secrets/known.js';
import type { Finding, FindingKind } from '../verify/types.js';
import type { Parameter, Statements } from './database.js';
import { inPackets } from './packets.js';

/** A finding as it is kept, with its number. */
export interface StoredFinding extends Finding {
  readonly findingId: number;
}

interface Row {
  finding_id: number;
  kind: FindingKind;
  job_id: number | null;
  batch_id: number | null;
  message_id: Buffer | null;
  index_id: number | null;
  object_key: string | null;
  detail: string;
  amount: number;
}

const COLUMNS =
  'finding_id, kind, job_id, batch_id, message_id, index_id, object_key, detail, amount';
const ROWS_PER_STATEMENT = 500;
/** What the columns hold, in characters. */
const LONGEST_KEY = 2048;
const LONGEST_DETAIL = 1024;

export async function insertFindings(
  on: Statements,
  verifyId: number,
  findings: readonly Finding[],
): Promise<void> {
  const rows = findings.map((finding): readonly Parameter[] => [
    verifyId,
    finding.kind,
    finding.jobId ?? null,
    finding.batchId ?? null,
    finding.message?.id ?? null,
    finding.message?.indexId ?? null,
    finding.key === undefined ? null : shortened(finding.key, LONGEST_KEY),
    shortened(scrub(finding.detail), LONGEST_DETAIL),
    finding.count ?? 1,
  ]);
  for (const part of inPackets(on.packetBytes, rows, ROWS_PER_STATEMENT, (row) => row)) {
    await on.change(
      `INSERT INTO verify_findings (verify_id, kind, job_id, batch_id, message_id, index_id, object_key, detail, amount)
       VALUES ?`,
      [part],
    );
  }
}

/** Findings of some kinds behind `after`, in the order in which they were found. */
export async function findingsAfter(
  on: Statements,
  verifyId: number,
  kinds: readonly FindingKind[],
  after: number,
  limit: number,
): Promise<StoredFinding[]> {
  const rows = await on.rows<Row>(
    `SELECT ${COLUMNS} FROM verify_findings WHERE verify_id = ? AND kind IN (?) AND finding_id > ?
     ORDER BY finding_id LIMIT ?`,
    [verifyId, kinds, after, limit],
  );
  return rows.map(toFinding);
}

/** Findings of some batches. */
export async function findingsOf(
  on: Statements,
  verifyId: number,
  batchIds: readonly number[],
): Promise<StoredFinding[]> {
  if (batchIds.length === 0) return [];
  const rows = await on.rows<Row>(
    `SELECT ${COLUMNS} FROM verify_findings WHERE verify_id = ? AND batch_id IN (?) ORDER BY finding_id`,
    [verifyId, batchIds],
  );
  return rows.map(toFinding);
}

/** Those of some batches whose rows or counters are told to contradict each other. */
export async function inconsistentOf(
  on: Statements,
  verifyId: number,
  batchIds: readonly number[],
): Promise<Set<number>> {
  if (batchIds.length === 0) return new Set();
  const rows = await on.rows<{ batch_id: number }>(
    `SELECT DISTINCT batch_id FROM verify_findings
     WHERE verify_id = ? AND batch_id IN (?) AND kind = 'inconsistent' AND message_id IS NULL`,
    [verifyId, batchIds],
  );
  return new Set(rows.map(({ batch_id }) => batch_id));
}

/** The numbers of batches with findings of this kind, behind `after`, in order. */
export async function batchesWith(
  on: Statements,
  verifyId: number,
  kinds: readonly FindingKind[],
  after: number,
  limit: number,
): Promise<number[]> {
  const rows = await on.rows<{ batch_id: number }>(
    `SELECT DISTINCT batch_id FROM verify_findings WHERE verify_id = ? AND kind IN (?) AND batch_id > ?
     ORDER BY batch_id LIMIT ?`,
    [verifyId, kinds, after, limit],
  );
  return rows.map(({ batch_id }) => batch_id);
}

/** Names a message within its batch. */
export function messageName({ id, indexId }: { id: Buffer; indexId: number }): string {
  return `${indexId}/${id.toString('latin1')}`;
}

function toFinding(row: Row): StoredFinding {
  return {
    findingId: row.finding_id,
    kind: row.kind,
    count: row.amount,
    detail: row.detail,
    ...(row.job_id !== null && { jobId: row.job_id }),
    ...(row.batch_id !== null && { batchId: row.batch_id }),
    ...(row.message_id !== null &&
      row.index_id !== null && { message: { id: row.message_id, indexId: row.index_id } }),
    ...(row.object_key !== null && { key: row.object_key }),
  };
}
