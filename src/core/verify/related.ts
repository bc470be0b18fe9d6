import { groupBy } from '../group-by.js';
import { fieldsOfMessages, relatedFor, type RelatedIndex } from '../elasticsearch/join.js';
import { areOthers } from '../joins.js';
import { joinValuesOf, type JoinedMessage } from '../process/join-table.js';
import {
  completedBatches,
  completedMessages,
  isUnchanged,
  type CompletedBatch,
  type CompletedMessage,
} from '../tracking/completed.js';
import { countsOfBatches, type RelatedCount } from '../tracking/related-counts.js';
import type { VerifyContext } from './context.js';
import type { Unit } from './unit.js';

/** Batches looked at by one statement. */
const BATCHES_A_STEP = 200;
/** Messages whose records are counted by one search: some ten thousand records, some ten milliseconds. */
const MESSAGES_A_SEARCH = 2_000;

/** What a note of the verification is called that counts messages whose records were counted again. */
export const RECOUNTED = 'recountedMessages';

const GONE =
  'Elasticsearch no longer has it, so the records of its batch could not be compared; verify --level content compares the others';

interface Counted {
  readonly batch: CompletedBatch;
  readonly stored: ReadonlyMap<string, RelatedCount>;
}

/**
 * Counts the records of completed messages at the source once more, and compares their sums with what was counted when each batch
 * was completed. No record is read: level `content` reads them all, and is not preceded by this. Batches that say nothing of their
 * records, or were made with other joins, are passed over, and not counted as compared.
 */
export async function verifyRelated(context: VerifyContext): Promise<void> {
  const { verification, on, scope, joins, signal } = context;
  if (joins.names.length === 0) return;
  for (let after = (verification.cursor as { after: number } | undefined)?.after ?? 0; ;) {
    const batches = await completedBatches(on.database, scope, { after, limit: BATCHES_A_STEP });
    const last = batches.at(-1);
    if (!last) return;
    const stored = await countsOfBatches(on.database, batches);
    const known = batches
      .map((batch) => ({ batch, stored: stored.get(batch.batchId) ?? new Map<string, never>() }))
      .filter((one) => isKnown(context, one));
    for (const some of byMessages(known)) {
      signal.throwIfAborted();
      const unit = verification.unit();
      await compare(context, unit, some);
      await verification.done(unit, { after: some.at(-1)?.batch.batchId ?? after });
    }
    after = last.batchId;
  }
}

function isKnown({ joins }: VerifyContext, { batch, stored }: Counted): boolean {
  if (areOthers(joins, batch.joinsHash)) return false;
  return joins.names.every((name) => stored.get(name)?.messages === batch.processed);
}

/** Batches in groups that one search can count. */
function* byMessages(counted: readonly Counted[]): Generator<Counted[]> {
  let some: Counted[] = [];
  let messages = 0;
  for (const one of counted) {
    if (some.length > 0 && messages + one.batch.processed > MESSAGES_A_SEARCH) {
      yield some;
      some = [];
      messages = 0;
    }
    some.push(one);
    messages += one.batch.processed;
  }
  if (some.length > 0) yield some;
}

async function compare(
  context: VerifyContext,
  unit: Unit,
  group: readonly Counted[],
): Promise<void> {
  const { on, joins } = context;
  const owners: Counted[] = [];
  const messages: CompletedMessage[] = [];
  for (const one of group) {
    for (const message of await completedMessages(on.database, one.batch.batchId)) {
      owners.push(one);
      messages.push(message);
    }
  }
  const now = await recordsNow(context, messages);
  for (const one of group) {
    const places = [...messages.keys()].filter((place) => owners[place] === one);
    if (!(await isUnchanged(on.database, one.batch))) continue;
    const { batchId, jobId } = one.batch;
    // A message that is gone takes its joins with it, and with them what its batch can be compared by.
    const gone = places.filter((place) => !now[place]);
    for (const place of gone) {
      const message = messages[place];
      if (message) unit.add({ kind: 'deleted', jobId, batchId, message, detail: GONE });
    }
    if (gone.length > 0) continue;
    for (const [i, name] of joins.names.entries()) {
      const records = places.reduce((sum, place) => sum + (now[place]?.[i] ?? 0), 0);
      const before = one.stored.get(name)?.records ?? 0;
      if (records === before) continue;
      const detail = `${name}: its documents have ${before} records, Elasticsearch has ${records} for the same messages now; verify --level content says which`;
      unit.add({ kind: 'changed', jobId, batchId, detail });
    }
    unit.notes.push([RECOUNTED, places.length]);
  }
}

/** By message, then by related index; undefined for a message that Elasticsearch does not have any more, where that matters. */
export async function recordsNow(
  context: Pick<VerifyContext, 'on' | 'signal'>,
  messages: readonly JoinedMessage['message'][],
): Promise<(number[] | undefined)[]> {
  const { on, signal } = context;
  const counts: (number[] | undefined)[] = messages.map(() => []);
  for (const [index, places] of groupBy([...messages.keys()], (at) => messages[at]?.index ?? '')) {
    const related = relatedFor(on.related, index);
    const own = places.flatMap((place) => messages[place] ?? []);
    const found = await messagesNow(context, index, own, related);
    for (const [i, one] of related.entries()) {
      const joined = found.map((message) => message && joinValuesOf(one, message));
      const records =
        one.absent === 'unknown' ? [] : await on.source.countRecords(one, joined, signal);
      for (const [at, place] of places.entries()) {
        const before = counts[place];
        const count = records[at];
        if (!before || count === undefined || !found[at]) counts[place] = undefined;
        else before[i] = count;
      }
    }
  }
  return counts;
}

/** Has no values: of messages whose joins read none. */
const UNREAD: JoinedMessage['hit'] = { valuesOf: () => [], ignored: [] };

/** What the messages are joined by; undefined for one that is gone, where the joins read more than its id. */
async function messagesNow(
  { on, signal }: Pick<VerifyContext, 'on' | 'signal'>,
  index: string,
  messages: readonly JoinedMessage['message'][],
  related: readonly RelatedIndex[],
): Promise<(JoinedMessage | undefined)[]> {
  const fields = fieldsOfMessages(related);
  if (fields.length === 0) return messages.map((message) => ({ message, hit: UNREAD }));
  const ids = messages.map(({ id }) => id.toString('utf8'));
  const hits = await on.source.fieldValues(index, ids, fields, signal);
  const byId = new Map(hits.map((hit) => [hit.id, hit]));
  return messages.map((message, place) => {
    const hit = byId.get(ids[place] ?? '');
    return hit && { message, hit };
  });
}
