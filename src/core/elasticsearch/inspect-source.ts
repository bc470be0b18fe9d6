import { isMigrateError, usage } from '../errors.js';
import { isFault } from '../fault.js';
import type { SourceSettings } from '../settings.js';
import { fieldCaps, refuseNested, typesOf, type FieldCaps } from './field-caps.js';
import { haveDocuments } from './inspect-join.js';
import { inspectKeptSource } from './kept-source.js';
import { listed } from '../words.js';
import { STRICT } from './pit.js';
import { indexPath, jsonObject } from './query.js';
import type { Requests } from './requests.js';

/** What `source.index` stands for. */
export interface SourceIndices {
  /** Concrete index names, sorted. */
  readonly indices: readonly string[];
  /** What the user should know before the job starts, one line each. */
  readonly cautions: readonly string[];
}

/**
 * Checks index, date field and filter, and that Elasticsearch has kept the documents.
 *
 * @throws MigrateError `usage`
 */
export async function inspectSource(
  requests: Requests,
  { index, dateField, filter }: SourceSettings,
  signal: AbortSignal,
): Promise<SourceIndices> {
  const caps = await fieldCaps(requests, index, [dateField], 'source.index', signal);
  refuseUnsearchableDate(caps, { index, dateField });
  await refuseUndatedIndices(requests, caps, dateField, signal);
  const indices = [...caps.indices].sort();
  const cautions = await inspectKeptSource(requests, { index, indices }, signal);
  if (filter !== undefined) await tryFilter(requests, { index, filter }, signal);
  return { indices, cautions };
}

/**
 * A range on an unmapped field or one that is no date answers 200 with no hits: that must not look like an empty
 * range.
 */
function refuseUnsearchableDate(
  caps: FieldCaps,
  { index, dateField }: { index: string; dateField: string },
): void {
  const types = typesOf(caps, dateField);
  const unmapped = types.find(({ type }) => type === 'unmapped');
  if (types.length === 0 || (unmapped && types.length === 1)) {
    throw usage(`${index} has no field ${dateField}`, 'Correct source.dateField.');
  }
  const dated = types.filter(({ type }) => type !== 'unmapped');
  const wrong = dated.find(({ type }) => type !== 'date' && type !== 'date_nanos');
  if (wrong) {
    throw usage(
      `the field ${dateField} of ${index} is ${wrong.type}, not date`,
      'Correct source.dateField.',
    );
  }
  if (dated.some(({ searchable }) => !searchable)) {
    throw usage(
      `the field ${dateField} of ${index} is not indexed, so no range can be searched`,
      'Correct source.dateField.',
    );
  }
  refuseNested(caps, dateField, { index, setting: 'source.dateField' });
}

/** An index without the field is fine as long as it is empty, as one that was made for the next month is. */
async function refuseUndatedIndices(
  requests: Requests,
  caps: FieldCaps,
  dateField: string,
  signal: AbortSignal,
): Promise<void> {
  const unmapped = typesOf(caps, dateField).find(({ type }) => type === 'unmapped');
  if (!unmapped || !(await haveDocuments(requests, unmapped.indices ?? [], signal))) return;
  throw usage(
    `${listed(unmapped.indices ?? [])} has no field ${dateField}, so its messages are in no range`,
    'Narrow source.index to indices that have it.',
  );
}

async function tryFilter(
  requests: Requests,
  { index, filter }: { index: string; filter: string },
  signal: AbortSignal,
): Promise<void> {
  // Without a range: where that matches nothing, Elasticsearch leaves the filter unread.
  const query = `{"bool":{"filter":[${filter}]}}`;
  const body = jsonObject({ size: '0', query, track_total_hits: 'false' });
  try {
    await requests.search({
      method: 'POST',
      path: `/${indexPath(index)}/_search`,
      query: STRICT,
      body,
      signal,
    });
  } catch (error) {
    if (isMigrateError(error) || !isFault(error)) throw error;
    throw usage(
      `the filter is not a query Elasticsearch takes: ${error.message}`,
      'Correct source.filter or --filter.',
      error,
    );
  }
}
