import { areOthers } from '../joins.js';
import { batchKey } from '../objects/keys.js';
import type { Database } from '../tracking/database.js';
import {
  countNextBatches,
  firstGrowing,
  rowsWithoutBatch,
  type CountedBatch,
} from '../tracking/verify-batches.js';
import { findingsAfter } from '../tracking/verify-findings.js';
import { completedRows } from '../tracking/verify-messages.js';
import { hasAmbiguous, jobSums, type JobSums } from '../tracking/verify-windows.js';
import type { VerifyContext } from './context.js';
import { rememberSilentKeys } from './silent-keys.js';
import type { Unit } from './unit.js';
import { OVER } from './verification.js';

interface Cursor {
  readonly after: number;
  /** True when all batches were looked at. */
  readonly counted: boolean;
}

/**
 * Compares what the tracking tables say in several places: each batch with its rows, each job with its batches and its
 * windows. Impossible states are named, one finding a batch, whatever brought them about.
 */
export async function verifyRows(context: VerifyContext): Promise<void> {
  const { verification, on, scope, marks, signal } = context;
  let { after, counted } = (verification.cursor as Cursor | undefined) ?? {
    after: 0,
    counted: false,
  };
  if (after === 0) verification.notes['keysFrom'] = await firstGrowing(on.database);
  while (!counted) {
    signal.throwIfAborted();
    const unit = verification.unit();
    const { batches, last } = await countNextBatches(on.database, scope, after, marks);
    await findStray(context, unit, after, last);
    for (const batch of batches) await lookAt(context, unit, batch);
    await rememberSilentKeys(
      context,
      batches.filter(({ longNames }) => longNames > 0).map(({ batchId }) => batchId),
    );
    context.progress(batches.reduce((sum, { rows }) => sum + rows, 0));
    counted = last === undefined;
    after = last ?? after;
    await verification.done(unit, { after, counted });
  }
  await verifyJobs(context);
}

/** Rows of batches that are not there. With certain jobs in scope, nothing tells whether they are its. */
async function findStray(
  { on, scope }: VerifyContext,
  unit: Unit,
  after: number,
  upTo: number | undefined,
): Promise<void> {
  if (scope.kind === 'only') return;
  for (const { batchId, rows } of await rowsWithoutBatch(on.database, after, upTo)) {
    const detail = `${rows} rows of message_tracking name batch ${batchId}, which is not there: delete them and extract their range again`;
    unit.add({ kind: 'inconsistent', batchId, detail });
  }
}

async function lookAt(context: VerifyContext, unit: Unit, batch: CountedBatch): Promise<void> {
  const { batchId, jobId } = batch;
  const reasons = contradictions(batch);
  if (batch.elsewhere > 0 && liesElsewhere(context, batch)) {
    unit.notes.push(['elsewhere', batch.object ? 0 : batch.elsewhere]);
    reasons.push(
      `${batch.elsewhere} completed messages lie outside this target, such as ${batch.place ?? ''}: verify them with the configuration of that target`,
    );
  }
  if (reasons.length > 0) {
    unit.add({ kind: 'inconsistent', jobId, batchId, detail: reasons.join('; ') });
    return;
  }
  if (batch.rowsCompleted > 0 && areOthers(context.joins, batch.joinsHash)) {
    const detail = `${batch.rowsCompleted} messages were completed with other joins of related records than those configured; "es-migrate retry --other-joins" has them made again`;
    unit.add({ kind: 'outdated_join', jobId, batchId, count: batch.rowsCompleted, detail });
  }
  if (batch.object) await findAstray(context, unit, batch);
  if (batch.object && batch.withObject > 0)
    unit.notes.push([ownNote(batchId), batch.withObject], [OWN_BESIDE_SHARED, batch.withObject]);
  unit.same(`batch ${batchId}`, batch.rows);
}

/**
 * Whether a batch's objects are to be looked for in another target. Where only some are, their keys are met in this one, or
 * they are missing: the objects tell; below level `objects` nothing else would.
 */
function liesElsewhere({ verification }: VerifyContext, batch: CountedBatch): boolean {
  const { level } = verification.options;
  return level === 'counts' || (batch.elsewhere === batch.rowsCompleted && batch.rowsCompleted > 1);
}

/** Messages with objects of their own in all batches that have one of theirs, too: the layout was changed in between. */
export const OWN_BESIDE_SHARED = 'ownBesideShared';

/** Those of one batch. */
export function ownNote(batchId: number): string {
  return `own ${batchId}`;
}

/** What contradicts what in a batch; empty where all is well. */
export function contradictions(batch: CountedBatch): string[] {
  const { rows, rowsPending, rowsInProgress, rowsCompleted, rowsFailed, status } = batch;
  const { total, processed, failed } = batch;
  const wrong: string[] = [];
  if (!batch.hasJob) wrong.push('its job is not there');
  if (rows === 0) wrong.push('it has no rows in message_tracking');
  if (rows !== total) wrong.push(`total_messages is ${total}, its rows are ${rows}`);
  if (rowsCompleted !== processed)
    wrong.push(`processed is ${processed}, its completed rows are ${rowsCompleted}`);
  if (rowsFailed !== failed) wrong.push(`failed is ${failed}, its failed rows are ${rowsFailed}`);
  const fits = {
    pending: rowsPending > 0 && rowsInProgress === 0,
    in_progress: rowsInProgress > 0 && rowsPending === 0,
    completed: rowsPending + rowsInProgress === 0 && rowsFailed === 0,
    failed: rowsPending + rowsInProgress === 0 && rowsFailed > 0,
  };
  if (rows > 0 && !fits[status]) {
    wrong.push(
      `it is ${status}, but of its rows ${rowsPending} are pending, ${rowsInProgress} in progress, ${rowsCompleted} completed, ${rowsFailed} failed`,
    );
  }
  if (status === 'in_progress' && !batch.hasLease)
    wrong.push('it is in progress without a lease, so nobody would ever take it over');
  if (batch.withoutPath > 0)
    wrong.push(`${batch.withoutPath} completed rows do not say where their object is`);
  if (batch.withoutObject > batch.withoutPath && !batch.object)
    wrong.push(`${batch.withoutObject} completed rows have no checksum, and neither has the batch`);
  if (batch.withoutError > 0)
    wrong.push(`${batch.withoutError} failed rows do not say what went wrong`);
  return wrong;
}

/** Rows without an object of their own that do not point to their batch's. */
async function findAstray(
  { on }: VerifyContext,
  unit: Unit,
  { batchId, jobId, claims, firstPath, lastPath }: CountedBatch,
): Promise<void> {
  const key = batchKey(jobId, batchId, claims);
  const url = on.target.urlOf(key);
  if (firstPath === undefined || (firstPath === url && lastPath === url)) return;
  for (const row of await completedRows(on.database, batchId)) {
    if (row.object || row.path === undefined || row.path === url) continue;
    const message = { id: row.id, indexId: row.indexId };
    const detail = `its row says ${row.path}, its batch's object is ${url}`;
    unit.add({ kind: 'mismatched', jobId, batchId, message, key, detail });
  }
}

/** Jobs against their batches and windows; not where one of its batches is at odds with itself, which tells it already. */
async function verifyJobs({ verification, on, scope }: VerifyContext): Promise<void> {
  // So that what was found of batches can be looked up.
  await verification.store();
  const told = await jobsTold(on, verification.verifyId);
  const unit = verification.unit();
  const jobs = await jobSums(on.database, scope);
  const known = new Set<number | undefined>(jobs.map(({ jobId }) => jobId));
  // Rows that went astray are missed in a job nobody knows.
  const isAstray = [...told].some((jobId) => !known.has(jobId));
  for (const job of jobs) {
    const { jobId } = job;
    const detail =
      isAstray || told.has(jobId) ? undefined : await jobContradiction(on.database, job);
    if (detail !== undefined) unit.add({ kind: 'inconsistent', jobId, detail });
  }
  await verification.done(unit, OVER);
}

/** Jobs of which something inconsistent is told already; undefined for one that is not known. */
async function jobsTold(
  { database }: VerifyContext['on'],
  verifyId: number,
): Promise<Set<number | undefined>> {
  const told = new Set<number | undefined>();
  for (let after = 0; ;) {
    const found = await findingsAfter(database, verifyId, ['inconsistent'], after, 1000);
    for (const { jobId, findingId } of found) {
      told.add(jobId);
      after = findingId;
    }
    if (found.length < 1000) return told;
  }
}

async function jobContradiction(database: Database, job: JobSums): Promise<string | undefined> {
  if (job.extracted !== job.total)
    return `extracted is ${job.extracted}, its batches' total_messages are ${job.total}`;
  if (job.isRead && !job.isCovered)
    return 'its windows do not cover its range: rows of extract_windows are gone; extract the range again into another tracking database';
  // More is no contradiction: a window that was read again may have lost messages to a deletion in between.
  const isShort = job.isRead && job.read > job.total;
  if (isShort && job.pending === 0 && !(await hasAmbiguous(database, job.jobId)))
    return `${job.read} messages were read, ${job.total} are tracked: extract the range again`;
  return undefined;
}
