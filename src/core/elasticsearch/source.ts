import type { Interval } from '../extract/types.js';
import type { RetryPolicy } from '../retry.js';
import type { LimitSettings, SourceSettings } from '../settings.js';
import type { Hit } from './hit.js';
import { createClient } from './client.js';
import { countUndated, dateSpan, type DateSpan } from './dates.js';
import type { Documents, DocumentsRequest } from './documents.js';
import { indexUuids } from './index-metadata.js';
import { inspectRelated } from './inspect-related.js';
import { inspectSource, type SourceIndices } from './inspect-source.js';
import { MAX_HITS } from './query.js';
import { Limiter, type SourceLimit } from './limiter.js';
import type { RelatedIndex, RelatedSource } from './join.js';
import {
  existingMessages,
  messageExists,
  searchFieldValues,
  searchMessages,
  type MessagesRequest,
} from './messages.js';
import { leavesPauses, Pace } from './pace.js';
import {
  closePit,
  countInterval,
  openWindowPit,
  readIdPage,
  type IntervalScope,
  type IdPage,
  type IdPageRequest,
} from './pit.js';
import { probeJoins } from './probe/probe-joins.js';
import type { JoinProbe, ProbeRequest } from './probe/types.js';
import { countAllRecords, countRecords, countWithoutKey, hasSeveralKeys } from './record-counts.js';
import { readRecordPages, searchRecords, type JoinValues } from './related.js';
import { Requests } from './requests.js';

/**
 * The Elasticsearch that messages are read from. Reads only; every request waits for its turn under
 * `limits.sourceRequestsPerSecond` and `limits.sourceLoad`, and under what the server can bear (limiter.ts), and is
 * retried by the one policy, so what is thrown is final: a MigrateError, or a Fault of class `request`.
 */
export interface Source {
  /**
   * Checks index, date field and filter before anything is touched.
   * @throws MigrateError `usage`
   */
  inspect(signal: AbortSignal): Promise<SourceIndices>;
  /**
   * Checks the related indices, their joins and sort fields; what it gives is needed to read them.
   * @param indices the concrete indices that `source.index` stands for
   * @throws MigrateError `usage`
   */
  inspectRelated(
    indices: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly RelatedSource[]>;
  /**
   * Tries the joins on a sample of an interval's messages and of the related records.
   * @throws MigrateError `usage` where a join does not give messages their records
   */
  probeJoins(request: ProbeRequest, signal: AbortSignal): Promise<readonly JoinProbe[]>;
  /** Messages of an interval, now; by another index, date field or filter than the configured where `scope` is given. */
  count(interval: Interval, signal: AbortSignal, scope?: IntervalScope): Promise<number>;
  /** Documents of the configured index and filter that have no usable date, now. */
  countUndated(signal: AbortSignal): Promise<number>;
  /** Between which instants the dates of all others lie; undefined where nothing tells. */
  dateSpan(signal: AbortSignal): Promise<DateSpan | undefined>;
  /** A point in time over the index, and what the interval counts under it; `scope` as with `count`. */
  openWindow(
    interval: Interval,
    signal: AbortSignal,
    scope?: IntervalScope,
  ): Promise<{ pitId: string; expected: number }>;
  /** The next page of ids of one slice; `pit-lost` where the point in time is gone. */
  readPage(request: IdPageRequest, scope?: IntervalScope): Promise<IdPage | 'pit-lost'>;
  /** Closes a point in time; failing to is not an error, it expires by itself. */
  closePit(pitId: string): Promise<void>;
  /** Messages of one index by id. */
  messages(index: string, request: MessagesRequest): Promise<Documents>;
  /**
   * Whether a message is there, without its document: as cheap as a search can be, and waits like any other until
   * the server answers. Tells a document too large for the server from a server short of memory.
   */
  exists(index: string, id: string, signal: AbortSignal): Promise<boolean>;
  /** Those of some ids, 1,000 at most, that an index holds, without their documents; none where the index is gone. */
  existing(index: string, ids: readonly string[], signal: AbortSignal): Promise<Set<string>>;
  /**
   * The UUIDs of the concrete indices that a name, alias, pattern or list stands for, by their names.
   * @throws MigrateError `usage` where the user may not see them
   */
  indexUuids(index: string, signal: AbortSignal): Promise<Map<string, string>>;
  /** Records of one related index that have one of these values in each field of the join. */
  records(related: RelatedIndex, values: JoinValues, request: DocumentsRequest): Promise<Documents>;
  /**
   * All records of one message, however many, in pages in the order of `sort`.
   * @throws Fault `too_large` where one alone exceeds the limit; `broken_read` where only reading all again helps
   */
  recordPages(
    related: RelatedIndex,
    values: JoinValues,
    page: { maxBytes: number; signal: AbortSignal },
  ): AsyncGenerator<readonly Hit[]>;
  /**
   * How many records each message has in a related index now; none is read.
   * @param messages their values for each field of the join; undefined where a message lacks one
   */
  countRecords(
    related: RelatedIndex,
    messages: readonly (JoinValues | undefined)[],
    signal: AbortSignal,
  ): Promise<number[]>;
  /** Whether any record of a related index has several values in a field of the join. */
  hasSeveralKeys(related: RelatedIndex, signal: AbortSignal): Promise<boolean>;
  /** All records of a related index now. */
  countAllRecords(related: RelatedIndex, signal: AbortSignal): Promise<number>;
  /** Those of them that no search by the join can find: they have no indexed value in one of its keys. */
  countWithoutKey(related: RelatedIndex, signal: AbortSignal): Promise<number>;
  /** Messages of one index by id, up to 10,000, with doc values of these fields instead of their documents. */
  fieldValues(
    index: string,
    ids: readonly string[],
    fields: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Hit[]>;
  /** Lifts a limit the server has imposed if nothing has been asked for a minute; for whoever shows it. */
  liftIdleLimit(): void;
  close(): Promise<void>;
}

/** Ids of a page that takes Elasticsearch some ten milliseconds; those who search beside us wait no longer for it. */
const BRIEF_PAGE_IDS = 2_000;

/**
 * Connects to Elasticsearch; nothing is sent until the first request.
 *
 * @param onLimit hears of every change of the limit the server imposes; undefined when it is lifted
 */
export function openSource(
  settings: SourceSettings,
  limits: Omit<LimitSettings, 'uploads'>,
  policy: RetryPolicy,
  onLimit: (limit: SourceLimit | undefined) => void = () => undefined,
): Source {
  const pace = new Pace(limits);
  const limiter = new Limiter({
    latencyTargetMs: limits.sourceLatencyTargetMs,
    now: () => performance.now(),
    onChange: onLimit,
  });
  const brakes = { pace, limiter };
  const pageIds = leavesPauses(limits) ? BRIEF_PAGE_IDS : MAX_HITS;
  const requests = new Requests(createClient(settings), brakes, policy, settings.urls.join(', '));
  return {
    inspect: (signal) => inspectSource(requests, settings, signal),
    inspectRelated: (indices, signal) =>
      inspectRelated(requests, settings.related, { index: settings.index, indices }, signal),
    probeJoins: (request, signal) => probeJoins(requests, settings, request, signal),
    count: (interval, signal, scope = settings) => countInterval(requests, scope, interval, signal),
    countUndated: (signal) => countUndated(requests, settings, signal),
    dateSpan: (signal) => dateSpan(requests, settings, signal),
    openWindow: (interval, signal, scope = settings) =>
      openWindowPit(requests, scope, interval, signal),
    readPage: (request, scope = settings) => readIdPage(requests, scope, request, pageIds),
    closePit: (pitId) => closePit(requests, pitId),
    messages: (index, request) => searchMessages(requests, index, request),
    exists: (index, id, signal) => messageExists(requests, index, id, signal),
    existing: (index, ids, signal) => existingMessages(requests, index, ids, signal),
    indexUuids: (index, signal) => indexUuids(requests, index, signal),
    records: (related, values, request) => searchRecords(requests, related, values, request),
    recordPages: (related, values, page) => readRecordPages(requests, related, values, page),
    countRecords: (related, messages, signal) => countRecords(requests, related, messages, signal),
    hasSeveralKeys: (related, signal) => hasSeveralKeys(requests, related, signal),
    countAllRecords: (related, signal) => countAllRecords(requests, related, signal),
    countWithoutKey: (related, signal) => countWithoutKey(requests, related, signal),
    fieldValues: (index, ids, fields, signal) =>
      searchFieldValues(requests, index, ids, fields, signal),
    liftIdleLimit: () => limiter.liftIfIdle(),
    close: () => requests.close(),
  };
}
