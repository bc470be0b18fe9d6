import { batchKey, hashedNameOfKey, idOfKey, parseBatchKey } from '../objects/keys.js';
import type { ListedObject, ListedPage } from '../objects/target.js';
import { runPool } from '../pool.js';
import { retrying } from '../retry.js';
import { batchesByNumber } from '../tracking/verify-batches.js';
import { inconsistentOf } from '../tracking/verify-findings.js';
import { liesHere, type MessageRecord } from '../tracking/verify-messages.js';
import { isInScope } from '../tracking/scope.js';
import { compareObject, compareStored, type Comparison } from './compare.js';
import type { VerifyContext } from './context.js';
import { ownersOf, recordOf, whyOrphaned, type Owner } from './owners.js';
import type { Finding } from './types.js';
import { ownNote } from './rows.js';
import type { Unit } from './unit.js';

/** Objects compared, and where need be read, at once. */
const AT_ONCE = 16;

interface Cursor {
  readonly after: string;
}

/** Walks through all objects under the prefix, up to 1,000 at a time, each compared with its row. */
export async function verifyListing(context: VerifyContext): Promise<void> {
  await walk(context, lookAtPage);
}

/** The same for level `counts`: keys are told apart and counted, messages are not looked up. */
export async function countListing(context: VerifyContext): Promise<void> {
  await walk(context, countPage);
}

/** While a page is looked at, the next one is asked for. */
async function walk(
  context: VerifyContext,
  look: (context: VerifyContext, unit: Unit, page: readonly ListedObject[]) => Promise<void>,
): Promise<void> {
  const { verification, signal } = context;
  let { after } = (verification.cursor as Cursor | undefined) ?? { after: undefined };
  let listed = list(context, after);
  for (let last = false; !last;) {
    const page = await listed;
    ({ last } = page);
    after = page.objects.at(-1)?.key ?? after;
    listed = last ? Promise.resolve(page) : list(context, after);
    // Awaited in the next round; until then a failure must not count as unhandled.
    listed.catch(() => undefined);
    const unit = verification.unit();
    await look(context, unit, page.objects);
    signal.throwIfAborted();
    context.progress(unit.stored);
    await verification.done(unit, after === undefined ? undefined : { after });
  }
}

function list({ on, signal }: VerifyContext, after: string | undefined): Promise<ListedPage> {
  return retrying(on.policy, () => on.target.list(after, signal), { signal });
}

/** Whether a key is made the way messages' are. */
function isMessageKey(key: string): boolean {
  return idOfKey(key) !== undefined || hashedNameOfKey(key) !== undefined;
}

async function countPage(
  context: VerifyContext,
  unit: Unit,
  page: readonly ListedObject[],
): Promise<void> {
  const owners = await ownersOf(
    context,
    page.map(({ key }) => key).filter((key) => parseBatchKey(key)),
  );
  const orphans: Finding[] = [];
  let messageKeys = 0;
  for (const object of page) {
    const owner = owners.get(object.key) ?? NOBODY;
    if (owner.kind === 'batch' || owner.kind === 'removed-batch') {
      const verdict = judgeUnread(context, owner);
      take(context, unit, object, owner, verdict, orphans);
    } else if (isMessageKey(object.key)) messageKeys += 1;
    else unit.add({ kind: 'foreign', key: object.key, detail: FOREIGN });
  }
  await tellOrphans(context, unit, orphans);
  unit.stored += messageKeys;
  unit.notes.push(['messageKeys', messageKeys]);
}

/** What can be said of a batch's object without comparing it. */
function judgeUnread(
  { scope }: VerifyContext,
  owner: Extract<Owner, { kind: 'batch' | 'removed-batch' }>,
): Verdict {
  if (!isInScope(scope, owner.name.jobId)) return IGNORED;
  const why = whyOrphaned(owner);
  if (why !== undefined) return { kind: 'orphaned', detail: why };
  return owner.kind === 'batch' && recordOf(owner.name, owner.batch) ? { kind: 'told' } : IGNORED;
}

const NOBODY: Owner = { kind: 'nobody' };
const FOREIGN = 'no row of this tracking database is about it; it is left alone';

async function lookAtPage(
  context: VerifyContext,
  unit: Unit,
  page: readonly ListedObject[],
): Promise<void> {
  const owners = await ownersOf(
    context,
    page.map(({ key }) => key),
  );
  const orphans: Finding[] = [];
  const shared: SharedObjects = new Map();
  const verdicts = new Map<string, () => void>();
  const left = page[Symbol.iterator]();
  await runPool(
    AT_ONCE,
    () => Promise.resolve(left.next().value),
    async (object) => {
      const owner = owners.get(object.key) ?? NOBODY;
      const verdict = await lookAt(context, object, owner, shared);
      verdicts.set(object.key, () => take(context, unit, object, owner, verdict, orphans));
    },
  );
  // In the order of the keys, whichever was read first.
  for (const { key } of page) verdicts.get(key)?.();
  await tellOrphans(context, unit, orphans);
}

type Verdict =
  | Comparison
  /** Not of the jobs in question, or not to be judged yet, or told already. */
  | { readonly kind: 'ignored' }
  /** It is there, and there is nothing more to say. */
  | { readonly kind: 'told' }
  | { readonly kind: 'foreign' | 'orphaned'; readonly detail: string };

const IGNORED = { kind: 'ignored' } as const;

/** Batches' objects that were compared on behalf of their messages, by URL: once for all of a page. */
export type SharedObjects = Map<string, Promise<Comparison>>;

async function lookAt(
  context: VerifyContext,
  object: ListedObject,
  owner: Owner,
  shared: SharedObjects,
): Promise<Verdict> {
  if (owner.kind === 'nobody') return { kind: 'foreign', detail: FOREIGN };
  if (!isInScope(context.scope, jobOf(owner))) return IGNORED;
  const why = whyOrphaned(owner);
  if (why !== undefined) return { kind: 'orphaned', detail: why };
  if (owner.kind === 'message') return lookAtMessage(context, object, owner.message, shared);
  if (owner.kind !== 'batch') return IGNORED;
  const record = recordOf(owner.name, owner.batch);
  if (!record) return IGNORED;
  return compareObject(context, context.on.target.urlOf(object.key), object, record);
}

/** Whether a message's own object, as its row is now, is one too many: see `lookAtStray`. */
export async function isStray(
  context: VerifyContext,
  key: string,
  message: MessageRecord,
  shared: SharedObjects,
): Promise<boolean> {
  const { status, path } = message;
  const url = context.on.target.urlOf(key);
  if (status !== 'completed' || path === undefined || path === url) return false;
  return (await lookAtStray(context, message, url, shared)).kind === 'orphaned';
}

async function lookAtMessage(
  context: VerifyContext,
  object: ListedObject,
  message: MessageRecord,
  shared: SharedObjects,
): Promise<Verdict> {
  const { target } = context.on;
  // That its batch or its job are not there is told.
  if (message.status !== 'completed' || !message.hasJob) return IGNORED;
  const url = target.urlOf(object.key);
  // Rows that lack what is needed here were told when rows were counted.
  if (message.path === url && message.object) {
    const comparison = await compareObject(context, url, object, message.object);
    return comparison.kind === 'same' ? comparison : lookAgain(context, object.key, url);
  }
  if (message.path === url || message.path === undefined) return { kind: 'told' };
  return lookAtStray(context, message, url, shared);
}

/** A process beside us may have replaced it between the listing and the row: both as they are now. */
async function lookAgain(context: VerifyContext, key: string, url: string): Promise<Verdict> {
  const owner = (await ownersOf(context, [key])).get(key);
  if (owner?.kind !== 'message') return IGNORED;
  const { status, path, object } = owner.message;
  if (status !== 'completed' || path !== url || !object) return IGNORED;
  return compareStored(context, url, object);
}

/**
 * A message's own object, though its row says that it lies somewhere else. One too many is it only where the batch's object,
 * which the row points at, is there as it was recorded.
 */
async function lookAtStray(
  context: VerifyContext,
  { batchId, jobId, path = '' }: MessageRecord,
  url: string,
  shared: SharedObjects,
): Promise<Verdict> {
  const { database, target } = context.on;
  const batch = (await batchesByNumber(database, [batchId])).get(batchId);
  if (batch?.object && path === target.urlOf(batchKey(jobId ?? 0, batchId, batch.claims))) {
    const looking = shared.get(path) ?? compareStored(context, path, batch.object);
    shared.set(path, looking);
    const { kind } = await looking;
    return kind === 'same'
      ? { kind: 'orphaned', detail: `its message lies in ${path} now` }
      : IGNORED;
  }
  const isOutside = target.keyOf(path) === undefined;
  if (isOutside && !(await liesHere(database, batchId, context.marks.prefix))) {
    // All of its batch is told to lie in another target, unless it is the only one.
    if ((batch?.processed ?? 0) > 1) return IGNORED;
  }
  return { kind: 'mismatched', detail: `its row says ${path}, its object is ${url}` };
}

function take(
  { verification: { notes } }: VerifyContext,
  unit: Unit,
  { key }: ListedObject,
  owner: Owner,
  verdict: Verdict,
  orphans: Finding[],
): void {
  const { kind } = verdict;
  // What is absent now will be missed when the objects met are counted.
  if (kind === 'ignored' || kind === 'absent') return;
  const at = { key, ...placeOf(owner) };
  if (kind === 'orphaned') orphans.push({ ...at, kind, detail: verdict.detail });
  else if (kind === 'foreign') unit.add({ ...at, kind, detail: verdict.detail });
  else {
    const messages = messagesIn(owner, notes);
    if (at.batchId !== undefined) unit.met.push(at.batchId);
    unit.stored += messages;
    if (kind === 'same') unit.same(key, messages);
    else if (kind !== 'told')
      unit.add({ ...at, kind, count: Math.max(1, messages), detail: verdict.detail });
  }
}

/** How many messages an object holds; the index of a batch's members holds none. */
function messagesIn(owner: Owner, notes: Readonly<Record<string, number>>): number {
  if (owner.kind === 'message') return 1;
  if (owner.kind !== 'batch' || owner.name.kind !== 'object') return 0;
  return owner.batch.processed - (notes[ownNote(owner.batch.batchId)] ?? 0);
}

function jobOf(owner: Exclude<Owner, { kind: 'nobody' }>): number {
  return owner.kind === 'message' ? (owner.message.jobId ?? 0) : owner.name.jobId;
}

function placeOf(owner: Owner): Pick<Finding, 'jobId' | 'batchId' | 'message'> {
  if (owner.kind === 'nobody') return {};
  if (owner.kind !== 'message') return { jobId: owner.name.jobId, batchId: owner.name.batchId };
  const { jobId, batchId, id, indexId } = owner.message;
  return { ...(jobId !== undefined && { jobId }), batchId, message: { id, indexId } };
}

/** Not where the batch's rows are told to contradict each other: that is why nothing points at the object. */
async function tellOrphans(
  { on, verification }: VerifyContext,
  unit: Unit,
  orphans: readonly Finding[],
): Promise<void> {
  const batchIds = [...new Set(orphans.flatMap(({ batchId }) => batchId ?? []))];
  const atOdds = await inconsistentOf(on.database, verification.verifyId, batchIds);
  for (const orphan of orphans) if (!atOdds.has(orphan.batchId ?? 0)) unit.add(orphan);
}
