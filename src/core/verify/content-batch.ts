import type { LimitFunction } from 'p-limit';
import { groupBy } from '../group-by.js';
import { areOthers, type Joins } from '../joins.js';
import type { Target } from '../objects/target.js';
import { carryBatch, type Workshop } from '../process/batch.js';
import type { RetryPolicy } from '../retry.js';
import type { CompletedBatch, CompletedMessage } from '../tracking/completed.js';
import type { Database } from '../tracking/database.js';
import { countsOfBatches } from '../tracking/related-counts.js';
import { messageName } from '../tracking/verify-findings.js';
import type { FailedMessage } from '../tracking/outcomes.js';
import type { Reported } from './content-reported.js';
import { SourceDigests, type Digest, type SourceDigest } from './content-source.js';
import { readBatchObject, readObject, recordedRevisions } from './content-stored.js';
import { shownId, storedVerdict, verdictOf, type Verdict } from './content-verdict.js';
import type { Findings } from './types.js';

/** What the comparisons of all batches share. */
export interface ContentContext {
  readonly target: Target;
  readonly database: Database;
  readonly policy: RetryPolicy;
  readonly workshop: Workshop;
  readonly joins: Joins;
  /** Bounds the objects being read at once. */
  readonly reads: LimitFunction;
  readonly signal: AbortSignal;
}

/** A completed batch, its completed messages, and what was found of it before. */
export interface BatchToCompare extends CompletedBatch {
  readonly messages: readonly CompletedMessage[];
  readonly reported: Reported;
}

/** A message whose stored bytes are those that were recorded. */
interface Sound {
  readonly message: CompletedMessage;
  readonly key: string;
  readonly stored: Digest;
  /** The revision recorded when it was stored; undefined where it isn't known. */
  readonly revision: () => Promise<number | undefined>;
}

/**
 * Compares the messages of one batch three ways: what lies in the target, what was recorded of it, and what Elasticsearch
 * has now. Messages that were reported before are left out. Whatever its size, of an object only checksums are held.
 *
 * @throws what concerns more than single messages
 */
export async function compareBatch(
  context: ContentContext,
  batch: BatchToCompare,
  findings: Findings,
): Promise<void> {
  const { messages, reported } = batch;
  const open = messages.filter((message) => !reported.messages.has(messageName(message)));
  const sound: Sound[] = [];
  const byUrl = groupBy(open, ({ url }) => (url?.endsWith('.ndjson.gz') ? url : undefined));
  for (const [url, held] of byUrl) {
    if (url === undefined) sound.push(...(await soundMessages(context, batch, held, findings)));
    else sound.push(...(await soundLines(context, batch, { url, held }, findings)));
  }
  // Told for the batch as a whole already: with these joins other documents come, whatever lies there.
  if (areOthers(context.joins, batch.joinsHash)) return;
  await compareWithSource(context, batch, sound, findings);
}

/** Those of messages with an object each whose object is as recorded; the others are reported. */
async function soundMessages(
  context: ContentContext,
  batch: BatchToCompare,
  messages: readonly CompletedMessage[],
  findings: Findings,
): Promise<Sound[]> {
  const { batchId, jobId, reported } = batch;
  const checked = messages.map(async (message): Promise<Sound[]> => {
    const { url, sha256, revision } = message;
    const key = url === undefined ? undefined : context.target.keyOf(url);
    if (url === undefined || key === undefined) {
      // Where rows and counters contradict each other, that was reported, and is why; as below.
      if (!reported.inconsistent) findings.add({ jobId, batchId, message, ...notHere(url) });
      return [];
    }
    const stored = await context.reads(() => readObject(context, url));
    const wrong = 'kind' in stored ? stored : sha256 && storedVerdict(sha256, stored);
    if (wrong) findings.add({ jobId, batchId, message, key, ...wrong });
    if (wrong || 'kind' in stored) return [];
    return [{ message, key, stored, revision: () => Promise.resolve(revision) }];
  });
  // All of them have ended before one that failed is told.
  const settled = await Promise.allSettled(checked);
  return settled.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

/** The same for messages that share one object; one that is damaged is reported as a whole. */
async function soundLines(
  context: ContentContext,
  batch: BatchToCompare,
  { url, held }: { url: string; held: readonly CompletedMessage[] },
  findings: Findings,
): Promise<Sound[]> {
  const { batchId, jobId, objectSha256, reported } = batch;
  const count = held.length;
  const key = context.target.keyOf(url);
  if (key === undefined) {
    if (!reported.inconsistent) findings.add({ jobId, batchId, count, ...notHere(url) });
    return [];
  }
  const at = { jobId, batchId, key };
  const object = await context.reads(() => readBatchObject(context, url));
  if ('kind' in object) {
    findings.add({ ...at, ...object, count });
    return [];
  }
  const damage = objectSha256 && storedVerdict(objectSha256, object.whole);
  if (damage) {
    findings.add({ ...at, ...damage, count });
    return [];
  }
  if (object.broken !== undefined) {
    findings.add({ ...at, kind: 'mismatched', detail: object.broken, count });
    return [];
  }
  const revisions = once(() => recordedRevisions(context, url, batch.indexSha256));
  const sound: Sound[] = [];
  for (const message of held) {
    const name = lineName(message);
    const line = object.lines.get(name);
    if (line === undefined) {
      findings.add({ ...at, kind: 'missing', message, detail: 'its object does not hold it' });
    } else if (line.times > 1) {
      const detail = `it stands ${line.times} times in its object`;
      findings.add({ ...at, kind: 'mismatched', message, detail });
    } else {
      const revision = async () => (await revisions()).get(name);
      sound.push({ message, key, stored: line.digest, revision });
    }
  }
  if (!reported.inconsistent) {
    const known = new Set(batch.messages.map(lineName));
    for (const [name, { index, id }] of object.lines) {
      if (known.has(name)) continue;
      const detail = `holds ${shownId(id)} of ${index}, which is no completed message of its batch`;
      findings.add({ ...at, kind: 'mismatched', detail });
    }
    if (object.unnamed > 0) {
      const detail = `${object.unnamed} of its lines name no message`;
      findings.add({ ...at, kind: 'mismatched', count: object.unnamed, detail });
    }
  }
  return sound;
}

async function compareWithSource(
  context: ContentContext,
  batch: BatchToCompare,
  sound: readonly Sound[],
  findings: Findings,
): Promise<void> {
  if (sound.length === 0) return;
  const { workshop, signal } = context;
  const { batchId, jobId } = batch;
  const now = new SourceDigests();
  const messages = sound.map(({ message }) => message);
  const { outcomes } = await carryBatch(workshop, { messages }, now, signal);
  const failed = new Map<unknown, FailedMessage>();
  for (const one of outcomes) if (one.kind === 'failed') failed.set(one.message, one);
  const same = new Map<string, number>();
  const equal: SourceDigest[] = [];
  for (const { message, key, stored, revision } of sound) {
    const failure = failed.get(message);
    const digest = now.of(message);
    const verdict = await verdictOf(stored, revision, failure ?? digest);
    if (verdict) findings.add({ ...verdict, jobId, batchId, message, key });
    else same.set(key, (same.get(key) ?? 0) + 1);
    if (!verdict && digest) equal.push(digest);
  }
  // Where all documents are what the source has, so must be the number of their records.
  if (equal.length === batch.processed) await compareRecordCounts(context, batch, equal, findings);
  for (const [key, count] of same) findings.same(key, count);
}

async function compareRecordCounts(
  { database, joins }: ContentContext,
  { batchId, jobId, processed }: BatchToCompare,
  documents: readonly SourceDigest[],
  findings: Findings,
): Promise<void> {
  const stored = (await countsOfBatches(database, [{ jobId, batchId }])).get(batchId);
  for (const [i, name] of joins.names.entries()) {
    const told = stored?.get(name);
    if (told?.messages !== processed) continue;
    const records = documents.reduce((sum, { counts }) => sum + (Number(counts[i]) || 0), 0);
    if (records === told.records) continue;
    const detail = `related_counts has ${told.records} records of ${name}, its documents have ${records}`;
    findings.add({ kind: 'inconsistent', jobId, batchId, detail });
  }
}

function lineName({ index, id }: CompletedMessage): string {
  return `${index}/${id.toString('utf8')}`;
}

function notHere(url: string | undefined): Verdict {
  const detail =
    url === undefined
      ? 'its row says completed, but not where'
      : `it lies at ${shownId(url)}, which is not under this target`;
  return { kind: 'mismatched', detail };
}

/** Asks once, and only if it is needed. */
function once<T>(ask: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => (answer ??= ask());
}
