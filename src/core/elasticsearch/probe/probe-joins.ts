import { isMigrateError, type MigrateError } from '../../errors.js';
import { Refusals } from '../../refusals.js';
import type { SourceSettings } from '../../settings.js';
import type { FieldCaps } from '../field-caps.js';
import { inspectJoinField, type InspectedField } from '../inspect-join.js';
import {
  fieldsOfMessages,
  ID,
  relatedFor,
  type RelatedIndex,
  type RelatedSource,
} from '../join.js';
import { listed } from '../../words.js';
import type { Requests } from '../requests.js';
import { hasRecords, probeBackward, sampleRecords, type OwnerIndices } from './backward.js';
import { candidateFields, tellersOf, type Tellers } from './candidate-fields.js';
import { probeForward, type Forward } from './forward.js';
import {
  betterButUnusable,
  betterField,
  mixedUp,
  ownedByNobody,
  sharedByMany,
  sharedKey,
  withoutKeys,
  type Tried,
} from './refusals.js';
import { sampleMessages } from './sample.js';
import { ProbeSearches } from './searches.js';
import type { SeveralOwners } from './several-owners.js';
import type { JoinProbe, ProbedMessage, ProbeRequest } from './types.js';
import { tellRecordsWithoutKey, tellUnindexedMessages } from './unindexed.js';

/** Of the related indices that pairs lead to, so many are tried. */
const MOST_PAIRED = 3;
/** Of index names in a request's path: Elasticsearch takes 4,096 bytes for the whole line. */
const MOST_NAMES_BYTES = 2_000;

/** What all joins are tried with. */
interface Probe extends ProbeRequest {
  readonly requests: Requests;
  readonly settings: SourceSettings;
  readonly messages: readonly ProbedMessage[];
  readonly candidates: readonly string[];
  readonly caps: FieldCaps;
  /** The values of so many fields of messages may be read besides the configured ones. */
  readonly room: number;
  readonly signal: AbortSignal;
}

/**
 * Tries joins on a sample, in both directions, before anything is stored. Two searches sample messages for all related
 * indices; each of those costs four more at most, one of them a count. Of related indices that pairs lead to, three are tried; entries with
 * `probe: false` and indices that do not exist are not.
 *
 * @returns what was found, in the order of the documents' arrays; nothing of those that were not tried
 * @throws MigrateError `usage` where another field gives more of the messages their records, no record belongs to a message
 *   (unless `optional`), a record belongs to messages of two indices, or most belong to several messages of one which a further
 *   field would tell apart; all such refusals in one error
 */
export async function probeJoins(
  requests: Requests,
  settings: SourceSettings,
  request: ProbeRequest,
  signal: AbortSignal,
): Promise<JoinProbe[]> {
  const wanted = new Set(settings.related.filter(({ probe }) => probe).map(({ name }) => name));
  const related = request.related.filter(
    ({ name, indices }) => wanted.has(name) && indices.some(isThere),
  );
  if (related.length === 0) return [];
  const all = related.flatMap(({ indices }) => indices);
  const configured = fieldsOfMessages(all);
  const keys = all.flatMap(({ join }) => join.map(({ key }) => key));
  const where = { index: settings.index, indices: request.indices };
  const { fields, caps, room } = await candidateFields(
    requests,
    where,
    { configured, keys },
    signal,
  );
  const searches = new ProbeSearches(requests, signal);
  const messages = await sampleMessages(searches, settings, request.interval, {
    configured,
    candidates: fields,
  });
  // What one related index is joined by may be what another should be.
  const candidates = [...configured, ...fields];
  const { length } = messages;
  const sampled =
    length > 0
      ? `sampled ${length} messages`
      : 'there are no messages to sample, so joins are tried by records alone';
  request.say(`probe of related records: ${sampled}: ${String(searches)}`, 'debug');
  if (searches.isIncomplete)
    request.say(
      'fewer messages than meant were sampled to try joins: a search was too large',
      'warn',
    );
  const probe: Probe = { ...request, requests, settings, messages, caps, room, signal, candidates };
  // Two sample messages and three try each join: what is left of six for each is for values that are not in the index.
  let spare = 3 * related.length - 2;
  spare -= await tellUnindexedMessages(probe, settings.index, configured, messages, spare);
  const probes: JoinProbe[] = [];
  const refusals = new Refusals();
  for (const one of related)
    await refusals.collect(async () => {
      spare -= 1;
      probes.push(await probeSource(probe, one, spare >= 0));
    });
  refusals.throwAll();
  return probes;
}

const isThere = ({ absent }: RelatedIndex) => absent === undefined;

/** @param countsKeys whether a search is left for records without a key; `verify` counts them, too */
async function probeSource(
  probe: Probe,
  source: RelatedSource,
  countsKeys: boolean,
): Promise<JoinProbe> {
  const { name } = source;
  const total = { name, sampled: 0, withRecords: 0, records: 0, withoutValue: 0 };
  let isLowerBound = false;
  for (const related of chosen(probe, source)) {
    const messages = probe.messages.filter(({ index }) => isRelated(source, related, index));
    const one = await probeOne({ ...probe, messages }, source, related);
    if (countsKeys) await tellRecordsWithoutKey(probe, related);
    total.sampled += one.sampled;
    total.withRecords += one.withRecords;
    total.records += one.records;
    total.withoutValue += one.withoutValue;
    isLowerBound ||= one.isLowerBound;
  }
  return { ...total, isLowerBound };
}

/** Whether messages of this index have their records there. */
function isRelated(source: RelatedSource, related: RelatedIndex, messages: string): boolean {
  return !source.pairs || relatedFor([source], messages)[0]?.index === related.index;
}

/** The first, the middle and the last of those whose messages were sampled; of all where none were. */
function chosen({ messages }: Probe, source: RelatedSource): RelatedIndex[] {
  const there = source.indices.filter(isThere);
  const sampled = there.filter((one) =>
    messages.some(({ index }) => isRelated(source, one, index)),
  );
  const some = sampled.length > 0 ? sampled : there;
  if (some.length <= MOST_PAIRED) return some;
  return [0, Math.floor(some.length / 2), some.length - 1].flatMap((at) => some[at] ?? []);
}

async function probeOne(
  probe: Probe,
  source: RelatedSource,
  related: RelatedIndex,
): Promise<Forward> {
  const { requests, settings, messages, candidates, signal, say } = probe;
  const { name, join, index } = related;
  const configured = settings.related.find((one) => one.name === name);
  if (!configured) throw new Error(`nothing is configured of ${name}`);
  const tellers = await tellersOf(requests, related, probe, signal);
  const searches = new ProbeSearches(requests, signal);
  const where = ownersOf(probe, source, related);
  const tried: Tried = { settings: configured, index, join, messages: where.names };
  try {
    const alsoRead = tellers.pairs.map(({ key }) => key);
    const forward = await probeForward(searches, related, messages, candidates, alsoRead);
    await refuseWorse(probe, tried, forward);
    await tryBackward(probe, { searches, tried, related, where, forward, tellers });
    if (searches.isIncomplete) {
      say(
        `the join of source.related.${name} was tried in part only: a search of the probe was too large`,
        'warn',
      );
    } else if (forward.isLowerBound) {
      say(
        `probe of source.related.${name}: more records match than are looked at; fields were not compared`,
        'debug',
      );
    }
    return forward;
  } finally {
    const of = source.pairs ? ` (${index})` : '';
    say(`probe of source.related.${name}${of}: ${String(searches)}`, 'debug');
  }
}

async function tryBackward(
  probe: Probe,
  of: {
    readonly searches: ProbeSearches;
    readonly tried: Tried;
    readonly related: RelatedIndex;
    readonly where: OwnerIndices;
    readonly forward: Forward;
    readonly tellers: Tellers;
  },
): Promise<void> {
  const { searches, tried, related, where, forward, tellers } = of;
  const { found, isPart } = forward;
  const { name, optional } = tried.settings;
  const alsoRead = tellers.pairs.map(({ key }) => key);
  // Where the first search matched more records than it gave, those are sample enough, and no search is left for others.
  const records = isPart ? [] : await sampleRecords(searches, related, alsoRead);
  if (records === 'too-large') return;
  if (records.length + found.length > 0) {
    const both = { records, found };
    const backward = await probeBackward(searches, related, where, both, tellers.pairs);
    if (backward.shared) throw sharedKey(tried, backward.shared);
    if (backward.isOwned === false && !optional) throw ownedByNobody(tried, backward);
    if (backward.several) await refuseMixedUp(probe, tried, backward.several, tellers.caps);
    return;
  }
  if (isPart) return;
  const isFull = await hasRecords(searches, related);
  if (isFull === true && !optional) throw withoutKeys(tried);
  if (isFull === false) {
    const line = `probe of source.related.${name}: ${related.index} holds no records, so nothing can be tried`;
    probe.say(line, 'debug');
  }
}

/** Warns where no field tells the messages apart: records may well belong to several, as those of a thread do. */
async function refuseMixedUp(
  probe: Probe,
  tried: Tried,
  several: SeveralOwners,
  recordCaps: FieldCaps,
): Promise<void> {
  for (const teller of several.tellers) {
    const { key, on } = teller.pair;
    const where = { index: tried.index, indices: recordCaps.indices };
    const problem =
      (await problemOf(probe, tried, on)) ??
      (await problemOf(probe, tried, key, { where, caps: recordCaps }));
    if (!problem) throw mixedUp(tried, several, teller);
  }
  probe.say(sharedByMany(tried, several), 'warn');
}

async function refuseWorse(probe: Probe, tried: Tried, forward: Forward): Promise<void> {
  const [best] = forward.better;
  if (!best) return;
  let unusable;
  for (const better of forward.better) {
    const problem =
      better.field === undefined || better.field === ID
        ? undefined
        : await problemOf(probe, tried, better.field);
    if (!problem) throw betterField(tried, forward, better);
    unusable ??= problem;
  }
  if (unusable) throw betterButUnusable(tried, forward, best, unusable);
}

/** Why no join can be by a field of the messages, or of what `of` says; undefined where one can. */
async function problemOf(
  { requests, settings, indices, caps, signal }: Probe,
  { settings: { name } }: Tried,
  field: string,
  of?: Pick<InspectedField, 'where' | 'caps'>,
): Promise<MigrateError | undefined> {
  const inspected = {
    where: { index: settings.index, indices },
    caps,
    field,
    setting: `source.related.${name}.on`,
    indexSetting: 'source.index',
    ...of,
  };
  try {
    await inspectJoinField(requests, inspected, signal);
    return undefined;
  } catch (error) {
    if (isMigrateError(error) && error.kind === 'usage') return error;
    throw error;
  }
}

/** Where messages that records of this index may belong to are. */
function ownersOf(
  { settings, indices }: Probe,
  source: RelatedSource,
  related: RelatedIndex,
): OwnerIndices & { readonly names: string } {
  const all = settings.index;
  if (!source.pairs) return { index: all, counts: () => true, names: all };
  const own = indices.filter((index) => isRelated(source, related, index));
  const line = own.join(',');
  const fits = encodeURIComponent(line).length <= MOST_NAMES_BYTES;
  return {
    index: fits ? line : all,
    counts: (index) => own.includes(index),
    names: listed(own),
  };
}
