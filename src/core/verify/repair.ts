import { groupBy } from '../group-by.js';
import { batchKey, parseBatchKey } from '../objects/keys.js';
import { retrying } from '../retry.js';
import { reached } from '../steps.js';
import type { Statements } from '../tracking/database.js';
import { batchesByNumber, countBatchRows } from '../tracking/verify-batches.js';
import {
  batchesWith,
  findingsAfter,
  findingsOf,
  messageName,
  type StoredFinding,
} from '../tracking/verify-findings.js';
import { messagesById, type MessageRecord } from '../tracking/verify-messages.js';
import {
  countPutBack,
  isPointedAt,
  makeConsistent,
  makeJobConsistent,
  putBack,
  whileSettled,
  type PutBack,
} from '../tracking/verify-repair.js';
import { jobSums } from '../tracking/verify-windows.js';
import { SPOILED } from './content-verdict.js';
import { compareStored } from './compare.js';
import type { VerifyContext } from './context.js';
import { moveFormerIndices } from './former-indices.js';
import { isStray, type SharedObjects } from './listing.js';
import { countFindings } from './findings.js';
import { ownersOf, whyOrphaned, type Owner } from './owners.js';
import { contradictions } from './rows.js';
import type { FindingKind, VerifyOutcome } from './types.js';
import { abandonedUploads, detailOf } from './unfinished.js';

/** Findings looked at at once. */
const PAGE = 1_000;
const DAMAGED: readonly FindingKind[] = ['missing', 'mismatched'];
/** Above both, spoiled messages are more likely the configuration's doing than ours. */
const MOST_SPOILED = 10;
const MOST_SPOILED_SHARE = 0.1;

type Repairs = NonNullable<VerifyOutcome['repaired']>;

/**
 * Deals with what a verification found, after saying how much: puts back what is missing or damaged, makes counters agree
 * with their rows, moves indices from where earlier versions put them, and removes our own orphans and unfinished uploads. What is damaged is not removed, it may be the last copy:
 * the next upload replaces it. Each is looked at again right before, under lock where it matters; a batch somebody works on is
 * left alone, and so is everything that is not ours.
 */
export async function repair(context: VerifyContext): Promise<Repairs> {
  const { run, verification } = context;
  const { found } = verification;
  const isDamage = await damageTest(context);
  const messages = await countDamaged(context, isDamage);
  run.report({
    type: 'log',
    level: 'info',
    message: `repair: ${messages} messages go back to pending, ${found.orphaned} objects of ours that no row points at and ${found.unfinished} unfinished uploads are removed, ${found.inconsistent} contradictions are looked at`,
  });
  const tally = new Tally();
  await abandonUploads(context, tally);
  const jobs = await repairBatches(context, tally);
  await repairJobs(context, tally, jobs);
  await putDamagedBack(context, tally, isDamage);
  const moved = await moveFormerIndices(context, pagesOf(context, ['orphaned']));
  tally.objects += moved.size;
  tally.dealtWith += moved.size;
  // Last: where anything of a job has gone back, its orphans are kept.
  await removeOrphans(context, tally, moved);
  const { messages: put, objects, uploads, dealtWith } = tally;
  return { messages: put, objects, uploads, left: Math.max(0, countFindings(found) - dealtWith) };
}

class Tally {
  messages = 0;
  objects = 0;
  uploads = 0;
  /** What the findings stand for that are dealt with. */
  dealtWith = 0;
  /** Of those, what is missing or damaged and was put back. */
  damage = 0;
}

async function* pagesOf(
  { on, verification, signal }: VerifyContext,
  kinds: readonly FindingKind[],
): AsyncGenerator<StoredFinding[]> {
  for (let after = 0; ;) {
    signal.throwIfAborted();
    const page = await findingsAfter(on.database, verification.verifyId, kinds, after, PAGE);
    const last = page.at(-1);
    if (!last) return;
    yield page;
    after = last.findingId;
  }
}

/** Batches with findings of these kinds, one by one, and those findings. */
async function* batchesOf(
  { on, verification, signal }: VerifyContext,
  kinds: readonly FindingKind[],
): AsyncGenerator<{ batchId: number; findings: StoredFinding[] }> {
  for (let after = 0; ;) {
    const batchIds = await batchesWith(on.database, verification.verifyId, kinds, after, PAGE);
    const last = batchIds.at(-1);
    if (last === undefined) return;
    for (const batchId of batchIds) {
      signal.throwIfAborted();
      const all = await findingsOf(on.database, verification.verifyId, [batchId]);
      yield { batchId, findings: all.filter(({ kind }) => kinds.includes(kind)) };
    }
    after = last;
  }
}

/** @param moved keys that were dealt with already */
async function removeOrphans(
  context: VerifyContext,
  tally: Tally,
  moved: ReadonlySet<string>,
): Promise<void> {
  const { run, verification } = context;
  const { missing, mismatched, unreadable, inconsistent } = verification.found;
  const orphaned = verification.found.orphaned - moved.size;
  const isDamaged = missing + mismatched + unreadable > tally.damage;
  // Where rows were lost, what they pointed at looks like an orphan.
  if (orphaned > 0 && (isDamaged || inconsistent > 0)) {
    const why = isDamaged
      ? 'not all that is missing or damaged could be put back'
      : 'the tracking tables contradict themselves';
    const message = `${orphaned} objects of ours that no row points at are kept: ${why}, and they may be its last copy`;
    run.report({ type: 'log', level: 'info', message });
    return;
  }
  let [told, removed] = [0, 0];
  for await (const page of pagesOf(context, ['orphaned'])) {
    const keys = page.flatMap(({ key }) => (key === undefined || moved.has(key) ? [] : key));
    told += keys.length;
    const owners = await ownersOf(context, keys);
    const orphans = [...owners].flatMap(([key, owner]) => orphanOf(key, owner));
    for (const some of groupBy(orphans, ({ jobId, batchId }) => `${jobId} ${batchId}`).values())
      removed += await removeOfBatch(context, some);
  }
  tally.objects += removed;
  tally.dealtWith += removed;
  if (told === removed) return;
  const message = `${told - removed} objects of ours that no row pointed at are kept: as long as any message of their job is pending or failed, or has its place in them again, they may be its last copy`;
  run.report({ type: 'log', level: 'info', message });
}

/** An object to be removed, and where it belongs; `message` where it is that one's own. */
interface Orphan {
  readonly key: string;
  readonly jobId: number;
  readonly batchId: number;
  readonly message: MessageRecord | undefined;
}

/** Empty where it is no orphan, or no more. */
function orphanOf(key: string, owner: Owner): Orphan[] {
  if (owner.kind === 'nobody') return [];
  if (owner.kind === 'message') {
    const { jobId, batchId } = owner.message;
    return jobId === undefined ? [] : [{ key, jobId, batchId, message: owner.message }];
  }
  if (whyOrphaned(owner) === undefined) return [];
  const { jobId, batchId } = owner.name;
  return [{ key, jobId, batchId, message: undefined }];
}

/** Of one batch. Messages' own go while it is locked: another claim of it may write to the same keys. */
async function removeOfBatch(context: VerifyContext, orphans: readonly Orphan[]): Promise<number> {
  const [first] = orphans;
  if (!first) return 0;
  const { database } = context.on;
  const settled = await whileSettled(database, first, async (on) => {
    const strays = await straysAmong(context, on, orphans);
    const removed = await remove(context, strays);
    return { removed, lost: await lostAmong(context, on, first.batchId, orphans) };
  });
  // What a claim that lost has written never becomes what counts.
  return settled ? settled.removed + (await remove(context, settled.lost)) : 0;
}

/** Keys of messages whose row says, now as before, that they lie in their batch's object, which is there. */
async function straysAmong(
  context: VerifyContext,
  on: Statements,
  orphans: readonly Orphan[],
): Promise<string[]> {
  const rows = await messagesById(
    on,
    orphans.flatMap(({ message }) => message?.id ?? []),
  );
  const now = new Map(rows.map((row) => [messageName(row), row]));
  const shared: SharedObjects = new Map();
  const keys: string[] = [];
  for (const { key, batchId, message } of orphans) {
    const row = message && now.get(messageName(message));
    if (row?.batchId === batchId && (await isStray(context, key, row, shared))) keys.push(key);
  }
  return keys;
}

/**
 * Keys of batches' objects, and their indexes, at which no completed message of the batch lies; none as long as the object
 * at which they do lie is not as it was written.
 */
async function lostAmong(
  context: VerifyContext,
  on: Statements,
  batchId: number,
  orphans: readonly Orphan[],
): Promise<string[]> {
  const { target } = context.on;
  const keys: string[] = [];
  const [batch] = (await batchesByNumber(on, [batchId])).values();
  if (batch?.object) {
    const url = target.urlOf(batchKey(batch.jobId, batch.batchId, batch.claims));
    if ((await compareStored(context, url, batch.object)).kind !== 'same') return keys;
  }
  for (const { key, message } of orphans) {
    if (message) continue;
    const name = parseBatchKey(key);
    const url = target.urlOf(name ? batchKey(name.jobId, name.batchId, name.claim) : key);
    if (!(await isPointedAt(on, batchId, url))) keys.push(key);
  }
  return keys;
}

async function remove({ on, signal }: VerifyContext, keys: readonly string[]): Promise<number> {
  if (keys.length === 0) return 0;
  await retrying(on.policy, () => on.target.delete(keys, signal), { signal });
  reached('repair-applied');
  return keys.length;
}

async function abandonUploads(context: VerifyContext, tally: Tally): Promise<void> {
  const { on, signal, verification } = context;
  if (verification.found.unfinished === 0) return;
  const told = new Set<string>();
  for await (const page of pagesOf(context, ['unfinished']))
    for (const { detail } of page) told.add(detail);
  for (const { upload } of (await abandonedUploads(context)).filter(({ isOurs }) => isOurs)) {
    if (!told.has(detailOf(upload))) continue;
    await retrying(on.policy, () => on.target.abandon(upload, signal), { signal });
    reached('repair-applied');
    tally.uploads += 1;
    tally.dealtWith += 1;
  }
}

/** Gives the jobs of the batches that were made consistent: what their messages add up to may be another number now. */
async function repairBatches(context: VerifyContext, tally: Tally): Promise<Set<number>> {
  const { database } = context.on;
  const jobs = new Set<number>();
  for await (const { batchId, findings } of batchesOf(context, ['inconsistent'])) {
    const [before] = await countBatchRows(database, [batchId], context.marks);
    // It lies outside this target, which nothing here can mend.
    if (before && before.elsewhere > 0 && contradictions(before).length === 0) continue;
    const outcome = await makeConsistent(database, batchId);
    if (outcome.kind === 'held') continue;
    reached('repair-applied');
    tally.messages += outcome.messages;
    for (const { jobId } of findings) if (jobId !== undefined) jobs.add(jobId);
    const [batch] = await countBatchRows(database, [batchId], context.marks);
    // Without a batch there may still be rows that name it: those were not its own, and stay.
    const isWell = batch
      ? contradictions(batch).length === 0 && batch.elsewhere === 0
      : findings.some(({ jobId }) => jobId !== undefined);
    if (isWell) tally.dealtWith += amountOf(findings);
  }
  return jobs;
}

/** Jobs whose number of messages is not, or no longer, what their batches hold. */
async function repairJobs(
  context: VerifyContext,
  tally: Tally,
  changed: ReadonlySet<number>,
): Promise<void> {
  const { database } = context.on;
  const told = new Set<number>();
  for await (const page of pagesOf(context, ['inconsistent'])) {
    for (const { jobId, batchId, key } of page)
      if (jobId !== undefined && batchId === undefined && key === undefined) told.add(jobId);
  }
  if (told.size + changed.size === 0) return;
  for (const { jobId, extracted, total } of await jobSums(database, context.scope)) {
    if (extracted === total || !(told.has(jobId) || changed.has(jobId))) continue;
    await makeJobConsistent(database, jobId);
    reached('repair-applied');
    if (told.has(jobId)) tally.dealtWith += 1;
  }
}

/** Which of the damage found is put back. */
type DamageTest = (finding: StoredFinding) => boolean;

/**
 * All of it; but where very many messages are spoiled, not those: reading them again by the same configuration would write as
 * many others, which nobody has asked for.
 */
async function damageTest(context: VerifyContext): Promise<DamageTest> {
  const { run, verification } = context;
  let spoiled = 0;
  for await (const page of pagesOf(context, ['mismatched']))
    spoiled += page.filter(isSpoiled).length;
  const isRefused = spoiled > MOST_SPOILED && spoiled > verification.checked * MOST_SPOILED_SHARE;
  if (!isRefused) return () => true;
  const message = `${spoiled} of ${verification.checked} messages hold other bytes than Elasticsearch gives for the same revision: more likely the configuration (source.related) has changed since they were written, so repair does not put them back; verify with the configuration they were written with`;
  run.report({ type: 'log', level: 'warn', message });
  return (finding) => !isSpoiled(finding);
}

function isSpoiled({ detail }: StoredFinding): boolean {
  return detail.startsWith(SPOILED);
}

/** Batches with damage that is put back. */
async function* damagedBatches(
  context: VerifyContext,
  isDamage: DamageTest,
): AsyncGenerator<{ batchId: number; findings: StoredFinding[] }> {
  for await (const { batchId, findings } of batchesOf(context, DAMAGED)) {
    const damage = findings.filter(isDamage);
    if (damage.length > 0) yield { batchId, findings: damage };
  }
}

async function countDamaged(context: VerifyContext, isDamage: DamageTest): Promise<number> {
  let messages = 0;
  for await (const { batchId, findings } of damagedBatches(context, isDamage))
    messages += await countPutBack(context.on.database, batchId, putBackOf(findings));
  return messages;
}

async function putDamagedBack(
  context: VerifyContext,
  tally: Tally,
  isDamage: DamageTest,
): Promise<void> {
  const { verifyId } = context.verification;
  for await (const { batchId, findings } of damagedBatches(context, isDamage)) {
    const what = putBackOf(findings);
    const outcome = await putBack(context.on.database, verifyId, batchId, what);
    if (outcome.kind === 'held') continue;
    reached('repair-applied');
    tally.messages += outcome.messages;
    tally.dealtWith += amountOf(findings);
    tally.damage += amountOf(findings);
  }
}

function putBackOf(findings: readonly StoredFinding[]): PutBack {
  const messages = findings.flatMap(({ message }) => message ?? []);
  return { messages, shared: findings.some(({ message }) => !message) };
}

function amountOf(findings: readonly StoredFinding[]): number {
  return findings.reduce((sum, { count = 1 }) => sum + count, 0);
}
