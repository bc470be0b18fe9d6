import { bulkIndex, send } from './sample/bulk.js';
import {
  messageSource,
  overSeveralLines,
  relatedDocuments,
  type Message,
  type RelatedNames,
  type SampleDocument,
} from './sample/documents.js';
import { hostileIds } from './sample/ids.js';
import { seededRandom } from './sample/random.js';

export interface SampleOptions {
  /** How many messages. */
  readonly messages: number;
  /** Messages lie in `from` ≤ timestamp < `to`; the first and the last millisecond have one each. */
  readonly from: Date;
  readonly to: Date;
  /** The same seed (and the same other options) makes the same documents; 1 by default. */
  readonly seed?: number;
  /** `none` leaves the related indices empty. */
  readonly relatedPerMessage?: 'realistic' | 'none';
  /** Stands before the names of the indices, as given to {@link createSampleIndices}. */
  readonly prefix?: string;
  /** Told once, when all is loaded. */
  readonly report?: (line: string) => void;
  /** Ends loading between two requests. */
  readonly stop?: AbortSignal;
}

export interface Loaded {
  readonly messages: number;
  /** Records in the three related indices together. */
  readonly related: number;
}

interface SampleNames extends RelatedNames {
  readonly messages: string;
}

/** The indices of a sample: `messages`, `message_history`, `message_status`, `message_audit`. */
export function sampleIndices(prefix = ''): SampleNames {
  return {
    messages: `${prefix}messages`,
    history: `${prefix}message_history`,
    status: `${prefix}message_status`,
    audit: `${prefix}message_audit`,
  };
}

/**
 * Creates the four indices with explicit mappings: `timestamp` is a date, `message_id` a keyword.
 *
 * @param prefix lets several samples share one server.
 */
export async function createSampleIndices(url: string, prefix = ''): Promise<void> {
  const { messages, ...related } = sampleIndices(prefix);
  const create = (index: string, shards: number, properties: object) =>
    send(
      url,
      index,
      'PUT',
      JSON.stringify({
        settings: { number_of_shards: shards, number_of_replicas: 0 },
        mappings: { dynamic: false, properties },
      }),
    );
  await create(messages, 2, {
    message_id: { type: 'keyword' },
    timestamp: { type: 'date' },
    channel: { type: 'keyword' },
    body: { type: 'text' },
  });
  for (const index of Object.values(related)) {
    await create(index, 1, { message_id: { type: 'keyword' }, at: { type: 'date' } });
  }
}

/**
 * Fills the indices with messages that look like real ones: a few hostile ids, numbers JavaScript would spoil,
 * two sources over several lines, 0 to 30 related records. Searchable when it resolves.
 *
 * @throws RangeError when `from` isn't before `to`; the reason of `stop`.
 */
export async function loadSample(url: string, options: SampleOptions): Promise<Loaded> {
  if (!(options.from < options.to)) throw new RangeError('a sample needs from before to');
  const names = sampleIndices(options.prefix);
  const severalLines: SampleDocument[] = [];
  let related = 0;
  const counted = function* () {
    for (const document of sampleDocuments(options)) {
      options.stop?.throwIfAborted();
      if (document.index !== names.messages) related++;
      // In a bulk a line break ends the document.
      if (/[\r\n]/.test(document.source)) severalLines.push(document);
      else yield document;
    }
  };
  await bulkIndex(url, counted());
  for (const { index, id, source } of severalLines) {
    await send(url, `${index}/_doc/${encodeURIComponent(id)}`, 'PUT', source);
  }
  await send(url, `${Object.values(names).join(',')}/_refresh`, 'POST');
  options.report?.(`loaded ${options.messages} messages and ${related} related records`);
  return { messages: options.messages, related };
}

/** Everything {@link loadSample} loads, in the order it is made. */
export function* sampleDocuments(options: SampleOptions): Generator<SampleDocument> {
  const { seed = 1, messages: count } = options;
  const names = sampleIndices(options.prefix);
  const random = seededRandom(seed);
  const tag = `s${seed}`;
  const hostile = hostileIds(tag);
  const every = Math.max(1, Math.floor(count / hostile.length));
  const first = options.from.getTime();
  const last = options.to.getTime() - 1;
  for (let number = 0; number < count; number++) {
    const ordinary = `${random.hex(8)}-${random.hex(4)}-4${random.hex(3)}-a${random.hex(3)}-${random.hex(12)}`;
    const message: Message = {
      number,
      id: (number % every === 0 ? hostile[number / every] : undefined) ?? ordinary,
      at: number === 0 ? first : number === 1 ? last : random.between(first, last),
    };
    const source = messageSource(message, random, number % 25 === 0);
    yield { index: names.messages, id: message.id, source: laidOut(source, number) };
    if (options.relatedPerMessage !== 'none') yield* relatedDocuments(message, tag, names, random);
  }
}

/** One message with LF and one with CRLF inside; the others on one line. */
function laidOut(source: string, number: number): string {
  if (number === 3) return overSeveralLines(source, '\n');
  if (number === 4) return overSeveralLines(source, '\r\n');
  return source;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** Monday to Monday, UTC, before the week `now` lies in. */
export function lastFullWeek(now: Date): { from: Date; to: Date } {
  const midnight = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate());
  const to = midnight - ((now.getUTCDay() + 6) % 7) * DAY_MS;
  return { from: new Date(to - 7 * DAY_MS), to: new Date(to) };
}
