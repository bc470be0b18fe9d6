import { z } from 'zod';
import { Fault } from '../fault.js';
import { Hit } from './hit.js';
import { byName, malformed, parsedAnswer } from './json-answer.js';
import { readHit, requireOnce } from './read-hit.js';
import { MalformedJson, UnreadableDocument } from './json-walk.js';
import { JsonScanner, putOnOneLine } from './scan.js';

export interface SearchAnswer {
  readonly hits: readonly Hit[];
  /** What matched; undefined where it was not asked for. */
  readonly total: number | undefined;
  /** The point in time to go on with; Elasticsearch may rename it with every answer. */
  readonly pitId: string | undefined;
  /** How long Elasticsearch worked on it, waiting for its own threads included, in whole milliseconds. */
  readonly tookMs: number;
}

const count = z.int().nonnegative();
/** Elasticsearch's own account of its work, which pauses follow from (pace.ts): never below zero, never infinite. */
const milliseconds = z.number().nonnegative();
const shardCounts = z.object({
  total: count.optional(),
  successful: count.optional(),
  failed: count.optional(),
  failures: z.array(z.unknown()).optional(),
});
/** Of a search across clusters. */
const clusterCounts = z.object({
  skipped: count.optional(),
  partial: count.optional(),
  failed: count.optional(),
});
const totals = z.union([
  count.transform((value) => ({ value, relation: undefined })),
  z.object({ value: count, relation: z.string().optional() }),
]);
const failureReason = z.object({ reason: z.object({ type: z.string() }) });
const aggregated = z.object({
  took: milliseconds.default(0),
  timed_out: z.boolean().default(false),
  terminated_early: z.boolean().default(false),
  _shards: shardCounts.optional(),
  _clusters: clusterCounts.optional(),
  hits: z.unknown(),
  aggregations: byName(z.unknown()).default({}),
});

interface Envelope {
  hits: Hit[];
  total: number | undefined;
  pitId: string | undefined;
  tookMs: number;
  timedOut: boolean;
  terminatedEarly: boolean;
  shards: z.infer<typeof shardCounts> | undefined;
  clusters: z.infer<typeof clusterCounts> | undefined;
  sawHits: boolean;
}

/**
 * Reads a search's answer, in place: the hits refer to it, and it is put on one line (contract, "Objects").
 *
 * @throws Fault `retriable` where it is cut off, malformed, or short though its status was 200: failed or silent
 *   shards, none at all, skipped clusters, timed out, terminated early. Each of these is a failed page, never a last page.
 */
export function parseSearch(body: Buffer): SearchAnswer {
  const envelope: Envelope = {
    hits: [],
    total: undefined,
    pitId: undefined,
    tookMs: 0,
    timedOut: false,
    terminatedEarly: false,
    shards: undefined,
    clusters: undefined,
    sawHits: false,
  };
  const seen = new Set<string>();
  try {
    const scanner = new JsonScanner(body);
    for (let more = scanner.beginObject(); more; more = scanner.anotherMember())
      readMember(scanner, scanner.key(), envelope, seen);
    scanner.end();
  } catch (error) {
    throw asFault(error);
  }
  // Not before: a line break within a string is no JSON, and would be made some.
  putOnOneLine(body);
  refuseShort(envelope);
  const { hits, total, pitId, tookMs } = envelope;
  return { hits, total, pitId, tookMs };
}

/**
 * Reads the answer of a search that asks for aggregations; its documents are not looked at.
 *
 * @param schema of the aggregations
 * @throws Fault `retriable` as `parseSearch`
 */
export function parseAggregations<T>(
  body: Buffer,
  schema: z.ZodType<T>,
): { aggregations: T; tookMs: number } {
  const answer = parsedAnswer(body, aggregated);
  refuseShort({
    timedOut: answer.timed_out,
    terminatedEarly: answer.terminated_early,
    shards: answer._shards,
    clusters: answer._clusters,
    sawHits: answer.hits !== undefined,
  });
  const { took: tookMs } = answer;
  const aggregations = schema.safeParse(answer.aggregations);
  if (!aggregations.success) throw malformed('has other aggregations than were asked for');
  return { aggregations: aggregations.data, tookMs };
}

/** A document that can't be read is left out by asking for the others without it; anything else is asked for again. */
function asFault(error: unknown): unknown {
  if (error instanceof UnreadableDocument)
    return new Fault('Elasticsearch', 'request', 'unreadable_document', error.message);
  if (error instanceof MalformedJson) return malformed(error.message);
  return error;
}

function readMember(
  scanner: JsonScanner,
  key: string,
  envelope: Envelope,
  seen: Set<string>,
): void {
  switch (key) {
    case 'hits':
      envelope.sawHits = true;
      readHits(scanner, envelope);
      break;
    case 'pit_id':
      envelope.pitId = scanner.string();
      break;
    case 'took':
      envelope.tookMs = valid(key, milliseconds, scanner.value());
      break;
    case 'timed_out':
      envelope.timedOut = valid(key, z.boolean(), scanner.value());
      break;
    case 'terminated_early':
      envelope.terminatedEarly = valid(key, z.boolean(), scanner.value());
      break;
    case '_shards':
      envelope.shards = valid(key, shardCounts, scanner.value());
      break;
    case '_clusters':
      envelope.clusters = valid(key, clusterCounts, scanner.value());
      break;
    default:
      scanner.skip();
      return;
  }
  requireOnce(seen, key);
}

function valid<T>(key: string, schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (!result.success) throw new MalformedJson(`has a ${key} that Elasticsearch does not write`);
  return result.data;
}

function readHits(scanner: JsonScanner, envelope: Envelope): void {
  const seen = new Set<string>();
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const key = scanner.key();
    if (key === 'total' || key === 'hits') requireOnce(seen, key);
    if (key === 'total') envelope.total = readTotal(scanner.value());
    else if (key !== 'hits') scanner.skip();
    else {
      for (let another = scanner.beginArray(); another; another = scanner.anotherElement())
        envelope.hits.push(readHit(scanner));
    }
  }
}

/** `{value, relation}`, or a bare number from servers before 7. */
function readTotal(total: unknown): number {
  const { value, relation } = valid('total', totals, total);
  if (relation !== undefined && relation !== 'eq')
    throw new MalformedJson(`counts only a bound: ${relation} ${value}`);
  return value;
}

function refuseShort(
  envelope: Pick<Envelope, 'sawHits' | 'timedOut' | 'terminatedEarly' | 'shards' | 'clusters'>,
): void {
  const { sawHits, timedOut, terminatedEarly, shards, clusters } = envelope;
  const short = (code: string, what: string) =>
    new Fault(
      'Elasticsearch',
      'retriable',
      code,
      `Elasticsearch answered with less than was asked for: ${what}`,
    );
  if (shards?.failed !== undefined && shards.failed > 0) {
    throw short(
      shardFailure(shards.failures),
      `${shards.failed} shards failed (${shardFailure(shards.failures)})`,
    );
  }
  // Every index has shards: where a name stands for none, no document that isn't found is missing.
  if (shards?.total === 0) throw short('no_shards', 'no index was searched');
  // Shards without a living copy are counted in `total` alone.
  const { total = 0, successful = total } = shards ?? {};
  if (successful < total) {
    throw short('shard_failure', `${total - successful} of ${total} shards did not answer`);
  }
  const { skipped = 0, partial = 0, failed = 0 } = clusters ?? {};
  if (skipped + partial + failed > 0) {
    throw short('cluster_skipped', `${skipped + partial + failed} remote clusters did not answer`);
  }
  if (timedOut) throw short('timed_out', 'it timed out');
  if (terminatedEarly) throw short('terminated_early', 'it ended early');
  if (!sawHits) throw short('malformed_answer', 'no hits');
}

function shardFailure(failures: unknown[] | undefined): string {
  const reason = failureReason.safeParse(failures?.[0]);
  return reason.data?.reason.type ?? 'shard_failure';
}
