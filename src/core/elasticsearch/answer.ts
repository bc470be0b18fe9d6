import { Fault } from '../fault.js';
import { Hit } from './hit.js';
import { JsonScanner, MalformedJson, putOnOneLine } from './scan.js';

export interface SearchAnswer {
  readonly hits: readonly Hit[];
  /** What matched; undefined where it was not asked for. */
  readonly total: number | undefined;
  /** The point in time to go on with; Elasticsearch may rename it with every answer. */
  readonly pitId: string | undefined;
  /** How long Elasticsearch worked on it, waiting for its own threads included, in whole milliseconds. */
  readonly tookMs: number;
}

interface Shards {
  total?: number;
  successful?: number;
  failed?: number;
  failures?: unknown[];
}
/** Of a search across clusters. */
interface Clusters {
  skipped?: number;
  partial?: number;
  failed?: number;
}

interface Envelope {
  hits: Hit[];
  total: number | undefined;
  pitId: string | undefined;
  tookMs: number;
  timedOut: boolean;
  terminatedEarly: boolean;
  shards: Shards | undefined;
  clusters: Clusters | undefined;
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
  putOnOneLine(body);
  try {
    const scanner = new JsonScanner(body);
    for (let more = scanner.beginObject(); more; more = scanner.anotherMember())
      readMember(scanner, scanner.key(), envelope);
    scanner.end();
  } catch (error) {
    if (error instanceof MalformedJson || error instanceof SyntaxError) {
      throw new Fault(
        'Elasticsearch',
        'retriable',
        'malformed_answer',
        `Elasticsearch: the answer ${error.message}`,
      );
    }
    throw error;
  }
  refuseShort(envelope);
  const { hits, total, pitId, tookMs } = envelope;
  return { hits, total, pitId, tookMs };
}

/**
 * Reads the answer of a search that asks for aggregations; its documents are not looked at.
 *
 * @throws Fault `retriable` as `parseSearch`
 */
export function parseAggregations(body: Buffer): { aggregations: unknown; tookMs: number } {
  let answer: {
    took?: number;
    timed_out?: boolean;
    terminated_early?: boolean;
    _shards?: Shards;
    _clusters?: Clusters;
    hits?: unknown;
    aggregations?: unknown;
  };
  try {
    answer = JSON.parse(body.toString('utf8')) as typeof answer;
  } catch (error) {
    const message = `Elasticsearch: the answer is no JSON (${(error as Error).message})`;
    throw new Fault('Elasticsearch', 'retriable', 'malformed_answer', message);
  }
  refuseShort({
    timedOut: answer.timed_out === true,
    terminatedEarly: answer.terminated_early === true,
    shards: answer._shards,
    clusters: answer._clusters,
    sawHits: answer.hits !== undefined,
  });
  return { aggregations: answer.aggregations, tookMs: answer.took ?? 0 };
}

function readMember(scanner: JsonScanner, key: string, envelope: Envelope): void {
  switch (key) {
    case 'hits':
      envelope.sawHits = true;
      readHits(scanner, envelope);
      break;
    case 'pit_id':
      envelope.pitId = scanner.string();
      break;
    case 'took':
      envelope.tookMs = Number(scanner.value());
      break;
    case 'timed_out':
      envelope.timedOut = scanner.value() === true;
      break;
    case 'terminated_early':
      envelope.terminatedEarly = scanner.value() === true;
      break;
    case '_shards':
      envelope.shards = scanner.value() as Shards;
      break;
    case '_clusters':
      envelope.clusters = scanner.value() as Clusters;
      break;
    default:
      scanner.skip();
  }
}

function readHits(scanner: JsonScanner, envelope: Envelope): void {
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const key = scanner.key();
    if (key === 'total') envelope.total = readTotal(scanner.value());
    else if (key !== 'hits') scanner.skip();
    else {
      for (let another = scanner.beginArray(); another; another = scanner.anotherElement())
        envelope.hits.push(readHit(scanner));
    }
  }
}

function readHit(scanner: JsonScanner): Hit {
  const hit = new Hit(scanner.bytes);
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const key = scanner.key();
    const start = scanner.position;
    switch (key) {
      case '_source':
        scanner.skip();
        hit.sourceStart = start;
        hit.sourceEnd = scanner.position;
        break;
      case '_id':
        scanner.skipString();
        hit.idStart = start;
        hit.idEnd = scanner.position;
        break;
      case '_index':
        hit.index = scanner.recurring();
        hit.indexStart = start;
        hit.indexEnd = scanner.position;
        break;
      case '_seq_no':
        scanner.skip();
        hit.seqNoStart = start;
        hit.seqNoEnd = scanner.position;
        break;
      case '_primary_term':
        scanner.skip();
        hit.primaryTermStart = start;
        hit.primaryTermEnd = scanner.position;
        break;
      case 'sort':
        scanner.skip();
        hit.sortStart = start;
        hit.sortEnd = scanner.position;
        break;
      case 'fields':
        readFields(scanner, hit);
        break;
      case '_ignored':
        hit.ignored = scanner.value() as string[];
        break;
      default:
        scanner.skip();
    }
  }
  if (hit.idEnd === 0 || hit.index === '')
    throw new MalformedJson('has a hit without _id or _index');
  return hit;
}

/** Doc values: those of the first field in place, since nearly every search asks for one field alone. */
function readFields(scanner: JsonScanner, hit: Hit): void {
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const field = scanner.key();
    if (hit.valueEnd > 0) {
      const values = scanner.value() as unknown[];
      hit.otherFields = [...hit.otherFields, { field, values: values.map(String) }];
      continue;
    }
    hit.field = field;
    const others: unknown[] = [];
    for (let another = scanner.beginArray(); another; another = scanner.anotherElement()) {
      if (hit.valueEnd > 0) {
        others.push(scanner.value());
        continue;
      }
      hit.valueStart = scanner.position;
      scanner.skip();
      hit.valueEnd = scanner.position;
    }
    if (others.length > 0) hit.otherValues = others;
  }
}

/** `{value, relation}`, or a bare number from servers before 7. */
function readTotal(total: unknown): number {
  if (typeof total === 'number') return total;
  const { value, relation } = (total ?? {}) as { value?: unknown; relation?: string };
  if (typeof value !== 'number') throw new MalformedJson('has a count that is no number');
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
  const first = failures?.[0] as { reason?: { type?: string } } | undefined;
  return first?.reason?.type ?? 'shard_failure';
}
