import { ID, INDEX, type RelatedIndex } from '../join.js';
import { jsonObject } from '../query.js';
import { withoutKeyQuery } from '../record-counts.js';
import type { Requests } from '../requests.js';
import { hasValueAt } from '../source-value.js';
import { counted } from '../../words.js';
import { ProbeSearches } from './searches.js';
import { valuesOf, type ProbedMessage, type ProbeRequest } from './types.js';

/** Messages whose source is looked into for a value that is not in the index. */
const MOST_LOOKED_INTO = 5;

/** What is needed to look for values that are in documents and not in the index. */
interface Look extends Pick<ProbeRequest, 'say'> {
  readonly requests: Requests;
  readonly signal: AbortSignal;
}

/**
 * Warns of records that no search can find, since they have no value of a key in the index: they lack the field, or it was
 * mapped after they were written. One search.
 */
export async function tellRecordsWithoutKey(
  { requests, signal, say }: Look,
  related: RelatedIndex,
): Promise<void> {
  const { name, index, join } = related;
  const searches = new ProbeSearches(requests, signal);
  const without = await searches.total(index, withoutKeyQuery(related));
  if (without !== 'too-large' && without > 0) {
    const keys = [...new Set(join.map(({ key }) => key))].join(' or ');
    say(
      `${counted(without, 'record')} in ${index} without ${keys} in the index (source.related.${name}): no message has ${without === 1 ? 'it' : 'them'}; if the field was mapped after they were written, run _update_by_query on the index`,
      'warn',
    );
  }
  say(`probe of source.related.${name}, records without key: ${String(searches)}`, 'debug');
}

/**
 * Warns of messages that have a value in their source, and none of it in the index: their records would not be found. Only where a
 * sampled message has no value; one search for each such field.
 *
 * @param most searches
 * @returns how many were made
 */
export async function tellUnindexedMessages(
  { requests, signal, say }: Look,
  index: string,
  fields: readonly string[],
  messages: readonly ProbedMessage[],
  most: number,
): Promise<number> {
  let made = 0;
  for (const field of fields.filter((one) => one !== ID && one !== INDEX)) {
    const lacking = messages.filter((message) => valuesOf(message, field).length === 0);
    if (lacking.length === 0 || made >= most) continue;
    made += 1;
    const ids = [lacking[0], lacking.at(-1), ...lacking].flatMap((one) => one?.id ?? []);
    const values = [...new Set(ids)].slice(0, MOST_LOOKED_INTO);
    const searches = new ProbeSearches(requests, signal);
    const hits = await searches.search(
      index,
      jsonObject({
        size: String(MOST_LOOKED_INTO),
        query: jsonObject({ ids: jsonObject({ values: JSON.stringify(values) }) }),
        sort: '["_doc"]',
        track_total_hits: 'false',
        docvalue_fields: JSON.stringify([field]),
      }),
    );
    const found = hits === 'too-large' ? [] : hits;
    const unindexed = found.filter(
      (hit) =>
        hit.valuesOf(field).length === 0 &&
        hit.ignored.length === 0 &&
        hit.source !== undefined &&
        hasValueAt(hit.source, field),
    );
    if (unindexed.length > 0) {
      say(
        `${unindexed.length} of ${found.length} sampled messages without ${field} in the index have a value of it in their _source: it was mapped after they were written, so their records would not be found; run _update_by_query on ${index}`,
        'warn',
      );
    }
    say(`probe of ${field} in sources of messages: ${String(searches)}`, 'debug');
  }
  return made;
}
