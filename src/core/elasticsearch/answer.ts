import { Fault } from '../fault.js';
import { JsonScanner, MalformedJson } from './scan.js';

/** One hit of a search, its source uncut. */
export interface Hit {
  readonly index: string;
  readonly id: string;
  /** The `_source` as it stands in the answer: a view into it. Undefined where the index keeps none. */
  readonly source: Buffer | undefined;
  /**
   * `_seq_no` and `_primary_term`, as text: together another one after every change of the document. Undefined where the
   * search did not ask for them, or the server has none (indices made before Elasticsearch 6).
   */
  readonly seqNo: string | undefined;
  readonly primaryTerm: string | undefined;
  /** The sort values as the array's JSON text: their numbers exceed 2^53. Empty where it came without. */
  readonly sort: string;
  /** The values of the requested doc-value fields. */
  readonly fields: Readonly<Record<string, readonly unknown[]>>;
}

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
 * Reads a search's answer.
 *
 * @throws Fault `retriable` where it is cut off, malformed, or short though its status was 200: failed or silent
 *   shards, skipped clusters, timed out, terminated early. Each of these is a failed page, never a last page.
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
  let index = '';
  let id: string | undefined;
  let source: Buffer | undefined;
  let seqNo: string | undefined;
  let primaryTerm: string | undefined;
  let fields: Hit['fields'] = NO_FIELDS;
  let sort = '';
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    switch (scanner.key()) {
      case '_source':
        source = scanner.raw();
        break;
      case '_id':
        id = scanner.string();
        break;
      case '_index':
        index = scanner.recurring();
        break;
      case '_seq_no':
        seqNo = scanner.text();
        break;
      case '_primary_term':
        primaryTerm = scanner.recurringNumber();
        break;
      case 'sort':
        sort = scanner.text();
        break;
      case 'fields':
        fields = readFields(scanner);
        break;
      default:
        scanner.skip();
    }
  }
  if (id === undefined || index === '') throw new MalformedJson('has a hit without _id or _index');
  return { index, id, source, seqNo, primaryTerm, sort, fields };
}

const NO_FIELDS: Hit['fields'] = {};

function readFields(scanner: JsonScanner): Hit['fields'] {
  const fields: Record<string, readonly unknown[]> = {};
  for (let more = scanner.beginObject(); more; more = scanner.anotherMember()) {
    const key = scanner.key();
    const values: unknown[] = [];
    for (let another = scanner.beginArray(); another; another = scanner.anotherElement())
      values.push(scanner.value());
    fields[key] = values;
  }
  return fields;
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

function refuseShort(envelope: Envelope): void {
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
