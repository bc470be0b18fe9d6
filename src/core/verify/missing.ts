import { batchIndexKey, batchKey, formerIndexKey } from '../objects/keys.js';
import { runPool } from '../pool.js';
import {
  batchesAfter,
  batchesByNumber,
  storedTotals,
  type BatchRecord,
} from '../tracking/verify-batches.js';
import {
  findingsOf,
  inconsistentOf,
  messageName,
  type StoredFinding,
} from '../tracking/verify-findings.js';
import {
  completedRows,
  liesHere,
  messagesById,
  type MessageRecord,
} from '../tracking/verify-messages.js';
import { compareStored, type Comparison } from './compare.js';
import { keyOf, type VerifyContext } from './context.js';
import { OWN_BESIDE_SHARED, ownNote } from './rows.js';
import type { Unit } from './unit.js';
import { BUCKETS, OVER } from './verification.js';

/** Objects asked for at once. */
const AT_ONCE = 32;

interface Cursor {
  readonly after: number;
}

/**
 * The other direction: completed messages whose object was not listed. How many objects of which batches were met is
 * compared with how many there must be, by batch_id modulo 65,536: exact counts in a quarter of a megabyte, however many
 * messages there are. Only where they differ are objects asked for one by one.
 */
export async function verifyMissing(context: VerifyContext): Promise<void> {
  const { verification, on, scope, signal } = context;
  const differing = await differingBuckets(context);
  if (differing.size === 0) return;
  for (let after = (verification.cursor as Cursor | undefined)?.after ?? 0; ;) {
    const batches = await batchesAfter(on.database, scope, after, 1000);
    const last = batches.at(-1);
    if (!last) return;
    for (const batch of batches) {
      // A batch without a job is told, and nothing tells the keys of its messages.
      if (!differing.has(batch.batchId % BUCKETS) || !batch.hasJob) continue;
      signal.throwIfAborted();
      const unit = verification.unit();
      await lookFor(context, unit, batch);
      after = batch.batchId;
      await verification.done(unit, { after });
    }
    after = last.batchId;
  }
}

async function differingBuckets(context: VerifyContext): Promise<Set<number>> {
  const { verification, on, scope, signal } = context;
  const expected = new Uint32Array(BUCKETS);
  for (let after = 0; ;) {
    signal.throwIfAborted();
    const batches = await batchesAfter(on.database, scope, after, 1000);
    const last = batches.at(-1);
    if (!last) break;
    const elsewhere = await batchesElsewhere(context, batches);
    for (const batch of batches) {
      if (elsewhere.has(batch.batchId)) continue;
      const bucket = batch.batchId % BUCKETS;
      const own = verification.notes[ownNote(batch.batchId)] ?? 0;
      expected[bucket] = (expected[bucket] ?? 0) + objectsOf(batch) + own;
    }
    after = last.batchId;
  }
  const differing = new Set<number>();
  for (const [bucket, count] of expected.entries())
    if (count !== verification.met[bucket]) differing.add(bucket);
  return differing;
}

/** How many objects a batch must have: its messages' own, or its one and the index of that, beside which some may have theirs. */
function objectsOf({ object, index, processed }: BatchRecord): number {
  return object ? 1 + (index ? 1 : 0) : processed;
}

/** Those told to be in another target as a whole. */
async function batchesElsewhere(
  { verification, on, marks }: VerifyContext,
  batches: readonly BatchRecord[],
): Promise<Set<number>> {
  const suspects = await inconsistentOf(
    on.database,
    verification.verifyId,
    batches.map(({ batchId }) => batchId),
  );
  const elsewhere = new Set<number>();
  for (const { batchId, processed } of batches) {
    if (!suspects.has(batchId) || processed === 0) continue;
    if (!(await liesHere(on.database, batchId, marks.prefix))) elsewhere.add(batchId);
  }
  return elsewhere;
}

function isOfBatch({ kind, message }: StoredFinding): boolean {
  return kind === 'inconsistent' && !message;
}

async function lookFor(context: VerifyContext, unit: Unit, batch: BatchRecord): Promise<void> {
  const { database } = context.on;
  const { batchId } = batch;
  const told = await findingsOf(database, context.verification.verifyId, [batchId]);
  const rows = await completedRows(database, batchId);
  await lookForShared(context, unit, batch, rows, told);
  const messages = new Set(told.flatMap(({ message }) => (message ? messageName(message) : [])));
  const own = rows.filter(({ object, ...row }) => object && !messages.has(messageName(row)));
  const elsewhere: MessageRecord[] = [];
  const found = new Map<MessageRecord, () => void>();
  const left = own[Symbol.iterator]();
  await runPool(
    AT_ONCE,
    () => Promise.resolve(left.next().value),
    async (row) => {
      if (row.path === undefined) return;
      if (context.on.target.keyOf(row.path) === undefined) elsewhere.push(row);
      else await lookForOne(context, unit, row, (tell) => found.set(row, tell));
    },
  );
  for (const row of own) found.get(row)?.();
  const [one] = elsewhere;
  if (one && !told.some(isOfBatch)) {
    const detail = `${elsewhere.length} completed messages lie outside this target, such as ${one.path ?? ''}: verify them with the configuration of that target`;
    unit.add({ kind: 'inconsistent', jobId: batch.jobId, batchId, detail });
  }
}

/** The object of a whole batch, and the index of its members. */
async function lookForShared(
  context: VerifyContext,
  unit: Unit,
  batch: BatchRecord,
  rows: readonly MessageRecord[],
  told: readonly StoredFinding[],
): Promise<void> {
  const { batchId, jobId, claims, object, index } = batch;
  const held = rows.filter((row) => !row.object).length;
  if (!object || held === 0) return;
  const key = batchKey(jobId, batchId, claims);
  const indexKey = batchIndexKey(jobId, batchId, claims);
  const isTold = (one: string) => told.some((finding) => !finding.message && finding.key === one);
  const still = async () => {
    const now = (await batchesByNumber(context.on.database, [batchId])).get(batchId);
    return now?.claims === claims && now.object !== undefined;
  };
  const { target } = context.on;
  const wrong = whatIsWrong(
    await compareStored(context, target.urlOf(key), object),
    `the object of batch ${batchId} is not there`,
  );
  if (wrong) {
    if (isTold(key) || !(await still())) return;
    unit.add({ ...wrong, count: held, jobId, batchId, key });
    return;
  }
  if (!index) return;
  const wrongIndex = whatIsWrong(
    await compareStored(context, target.urlOf(indexKey), index),
    `the index of the object of batch ${batchId} is not there`,
  );
  if (!wrongIndex || isTold(indexKey) || !(await still())) return;
  if (wrongIndex.kind === 'missing') {
    // Where an earlier version put it, it was listed, and told.
    const former = target.urlOf(formerIndexKey(jobId, batchId, claims));
    if ((await compareStored(context, former, index)).kind === 'same') return;
  }
  unit.add({ ...wrongIndex, jobId, batchId, key: indexKey });
}

/** Undefined where an object is as it was recorded. */
function whatIsWrong(
  comparison: Comparison,
  absent: string,
): { kind: 'missing' | 'mismatched' | 'unreadable'; detail: string } | undefined {
  switch (comparison.kind) {
    case 'same':
      return undefined;
    case 'absent':
      return { kind: 'missing', detail: absent };
    case 'mismatched':
    case 'unreadable':
      return comparison;
  }
}

async function lookForOne(
  context: VerifyContext,
  unit: Unit,
  row: MessageRecord,
  found: (tell: () => void) => void,
): Promise<void> {
  const { on, keys } = context;
  const { id, indexId, batchId, jobId, path = '', object } = row;
  if (!object) return;
  const at = { ...(jobId !== undefined && { jobId }), batchId, message: { id, indexId } };
  const key = keyOf(row, keys);
  const lies = on.target.keyOf(path) ?? '';
  const comparison = await compareStored(context, on.target.urlOf(lies), object);
  const wrong = whatIsWrong(comparison, 'its object is not there');
  if (!wrong) {
    if (lies === key) return;
    const detail = `its row says ${path}, its object would be ${on.target.urlOf(key)}`;
    found(() => unit.add({ ...at, kind: 'mismatched', key, detail }));
    return;
  }
  // It may have been put back, or processed again, since it was read.
  const now = (await messagesById(on.database, [id])).find((one) => one.indexId === indexId);
  if (now?.status !== 'completed' || now.path !== path) return;
  if (!now.object?.sha256.equals(object.sha256)) return;
  found(() => unit.add({ ...at, ...wrong, key: lies }));
}

/** Before keys are counted: what must be among them. */
export async function beginCounting({ verification, on, scope }: VerifyContext): Promise<void> {
  const { notes } = verification;
  if (notes['ownBefore'] !== undefined) return;
  const { own, shared } = await storedTotals(on.database, scope);
  const beside = notes[OWN_BESIDE_SHARED] ?? 0;
  notes['ownBefore'] = own + beside;
  notes['sharedBefore'] = shared - beside;
}

/**
 * The numbers of keys and of completed messages, for level `counts`. What was completed before the first key was listed must
 * be there; what is there beyond what is completed now may still be completed, as long as anything is left to do.
 */
export async function compareCounts({ verification, on, scope }: VerifyContext): Promise<void> {
  const { notes, sums } = verification;
  const unit = verification.unit();
  const totals = await storedTotals(on.database, scope);
  const own = totals.own + (notes[OWN_BESIDE_SHARED] ?? 0);
  const keys = notes['messageKeys'] ?? 0;
  const elsewhere = notes['elsewhere'] ?? 0;
  const few = (notes['ownBefore'] ?? 0) - elsewhere - keys;
  const many = keys - own - totals.open;
  const names = '--level objects names them';
  if (few > 0) {
    const detail = `${keys} messages' objects are listed, ${keys + few} are completed: ${names}`;
    unit.add({ kind: 'missing', count: few, detail });
  }
  if (many > 0) {
    const detail = `${keys} messages' objects are listed, ${own} are completed: ${names}`;
    unit.add({ kind: 'orphaned', count: many, detail });
  }
  const shared = (notes['sharedBefore'] ?? 0) - (sums.stored - keys);
  if (shared > 0) {
    const detail = `batches' objects with ${shared} completed messages are not listed: ${names}`;
    unit.add({ kind: 'missing', count: shared, detail });
  }
  await verification.done(unit, OVER);
}
